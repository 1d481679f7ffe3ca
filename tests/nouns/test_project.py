"""A project as a whole: it reports all problems at once, has unique names, and knows which project owns a spec."""

import pytest

import mlp_assets as mlp
from tests.support import samples as s


def test_the_samples_are_valid() -> None:
    assert len(s.project().specs) == 8
    assert s.view(derive=s.ratio).feature_names == ("spend", "visits", "mean_amount")


def test_all_problems_are_reported_at_once() -> None:
    view = s.view(every="5h", features={"spend": mlp.total("amuont", over="thirty")})
    with pytest.raises(mlp.ProjectError, match="Project 'shop' has 5 problems") as raised:
        s.project(s.model(training_set=s.training_set(features=[view]), gates=[], train=lambda run: run))
    assert len(raised.value.problems) == 5


def test_a_wrong_type_hides_no_problem_of_another_spec() -> None:
    view = s.view(every="5h", source=s.source(start="May"), features={"spend": mlp.total("amuont", over="30d")})
    model = s.model(training_set=s.training_set(features=view), train=lambda run: run)
    s.assert_refused(
        lambda: s.endpoint(model=model, replicas=2),
        ["replicas=2", "features=FeatureView", "train is a lambda", "'amuont'", "every='5h'", "start='May'"],
    )


def test_two_endpoints_cannot_share_a_route() -> None:
    model = s.model()
    first, second = s.endpoint(model=model, route="/buys"), s.endpoint(name="other", model=model, route="/buys")
    with pytest.raises(mlp.ProjectError, match="route '/buys' is already taken by endpoint 'score'"):
        s.project(first, second)


def test_two_objects_cannot_share_a_name() -> None:
    with pytest.raises(mlp.ProjectError, match="2 different objects have this name"):
        s.project(s.endpoint(), s.endpoint(name="other"))


def test_two_projects_cannot_share_a_name() -> None:
    with pytest.raises(mlp.ProjectError, match="2 projects that are used together have the name 'shop'"):
        s.project(uses=[s.project(name="shop")])


def test_a_cycle_is_shown_as_a_path() -> None:
    first = s.source(name="first")
    second = s.source(name="second", inputs=[first])
    object.__setattr__(first, "inputs", (second,))
    with pytest.raises(mlp.ProjectError, match="in a circle: Source 'first' -> Source 'second' -> Source 'first'"):
        s.project(first)


def test_a_spec_of_another_project_stays_its_own() -> None:
    shared = s.view()
    platform = s.project(shared, name="platform", owner="team:platform")
    ours = s.project(s.model(training_set=s.training_set(features=[shared])), uses=[platform])
    assert ours.feature_views == ()
    assert ours.home_of(shared) is platform


def test_specs_of_indirectly_used_projects_are_not_ours() -> None:
    view = s.view()
    features = s.project(view, name="platform")
    model = s.model(training_set=s.training_set(features=[view]))
    models = s.project(model, name="models", uses=[features])
    ours = s.project(s.endpoint(model=model), uses=[models])
    assert [spec.name for spec in ours.specs] == ["score"]
    assert (ours.home_of(view), ours.home_of(model), ours.home_of(ours.endpoints[0])) == (features, models, ours)


def test_specs_are_frozen() -> None:
    view = s.view()
    with pytest.raises(AttributeError):
        view.ttl = "1d"  # type: ignore[misc]
    with pytest.raises(TypeError):
        view.features["new"] = mlp.count(over="1d")  # type: ignore[index]
