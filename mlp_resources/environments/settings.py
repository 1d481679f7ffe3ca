"""Settings of the platform: environment variables ``MLP_*``, then ``settings.toml`` below the home, then defaults."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from mlp_assets.errors import MlpError
from mlp_resources.environments.home import home as home_folder

FILE = "settings.toml"
_PREFIX = "MLP_"
# Other tools may set variables with the same prefix (Kubernetes does, for a Service named mlp-...), so an unknown
# variable is refused only where it is close enough to be a misspelling.
_MISSPELLED = 0.85


class SettingsError(MlpError):
    """A setting that cannot be used."""


@dataclass(frozen=True)
class Expected:
    """What a setting takes, for messages: a noun with its article, and what to write."""

    noun: str
    write: str


Port = Annotated[int, Field(ge=1, le=65535), Expected("a port", "a number from 1 to 65535")]


class Settings(BaseSettings):
    """What an installation may change. In the file a key is the field's name, such as ``memory_gb = 4``."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    home: Annotated[Path, Expected("a folder", "a path")] = Path(".mlp")
    """The directory of all state, on which every process agrees. Not in the file, which lies in it."""
    environment: Annotated[Literal["local", "cluster"], Expected("an environment", "'local' or 'cluster'")] = "local"
    """Which adapters the platform uses: `local` keeps everything on this machine, `cluster` trains on Kubernetes."""
    kubernetes_namespace: Annotated[str | None, Expected("a namespace", "its name")] = None
    """The namespace in which trainings run."""
    kubernetes_image: Annotated[str | None, Expected("an image", "registry/name:tag")] = None
    """The image of trainings: the platform's, with the team's packages. A model's `image` comes first."""
    kubernetes_secret: Annotated[str | None, Expected("a Secret", "its name")] = None
    """The Secret whose entries are environment variables of trainings, such as the keys of the object store."""
    kubernetes_queue: Annotated[str | None, Expected("a queue", "the name of a LocalQueue")] = None
    """The Kueue queue of trainings, where the cluster has Kueue."""
    database: Annotated[SecretStr | None, Expected("an address", "postgresql://user@host:5432/name")] = None
    """The PostgreSQL database of locks and searches, where all of the platform runs on the cluster."""
    mlflow: Annotated[str | None, Expected("an address", "http://host:5000")] = None
    """The address of the MLflow server, where all of the platform runs on the cluster."""
    mlflow_ui: Annotated[str | None, Expected("an address", "https://host")] = None
    """The address of MLflow's pages in a browser, for links. Unset: that of `MLP_MLFLOW`."""
    lake: Annotated[str | None, Expected("an address", "s3://bucket/folder")] = None
    """Root of all tables: `s3://bucket/folder`, `file:///folder` or an absolute path. Unset: `lake` below the home."""
    online: Annotated[SecretStr | None, Expected("an address", "redis://host:6379/0")] = None
    """The Redis server of the online store, such as `redis://host:6379/0`. Unset: embedded, below the home."""
    redis_password: Annotated[SecretStr | None, Expected("a password", "a text")] = None
    """The password of that server, in every process that publishes or serves."""
    checkpoints: Annotated[SecretStr | None, Expected("an address", "s3://bucket/folder")] = None
    """The object store of checkpoints, such as `s3://bucket/folder` or `gs://bucket/folder`. Unset: below the home."""
    promotion_key: Annotated[Path | None, Expected("a file", "the path of a key of 32 bytes")] = None
    """The file of the key that signs promotions, such as a mounted secret. Unset: `keys/promotion` below the home."""
    shards: Annotated[Literal["local", "ray"], Expected("a way to run shards", "'local' or 'ray'")] = "local"
    """Where large tables are computed: `local` in this process, `ray` as tasks of the Ray cluster."""
    trials: Annotated[Literal["local", "ray"] | None, Expected("a way to run trials", "'local' or 'ray'")] = None
    """Where the trials of a search run: `local` in threads of the run, `ray` as tasks. Unset: `ray` under `mlp up`."""
    memory_gb: Annotated[
        float | None, Field(gt=0), Expected("a number of gigabytes", "MLP_MEMORY_GB=4 for 4 GB, for example")
    ] = None
    """The memory that a process may use, in GB of 10^9 bytes. Unset: what the machine or container has free."""
    device: Annotated[Literal["cpu"] | None, Expected("a device", "'cpu', or leave it out")] = None
    """`cpu` keeps trainings off this machine's GPUs."""
    sensor_seconds: Annotated[int, Field(ge=1), Expected("a time", "a whole number of seconds")] = 30
    """The shortest time between two ticks of a sensor, in seconds."""
    port_dagster: Port = 3000
    """The port of Dagster's web UI."""
    port_mlflow: Port = 5000
    """The port of MLflow."""
    port_ray: Port = 6379
    """The port of Ray's head."""
    port_ray_dashboard: Port = 8265
    """The port of Ray's dashboard, which also takes the configuration of the endpoints."""
    port_serve: Port = 8000
    """The port of the endpoints."""
    ray_address: Annotated[str | None, Field(validation_alias="ray_address"), Expected("an address", "host:port")] = (
        None
    )
    """Another Ray cluster for shards and trials: Ray's own variable. Other programs use it too, so it counts only where
    `MLP_SHARDS` or `MLP_TRIALS` is set to `ray`. Unset: the cluster that `mlp up` started here."""

    @field_validator("home", "promotion_key")
    @classmethod
    def _expand(cls, path: Path | None) -> Path | None:
        return path.expanduser().resolve() if path is not None else None

    @property
    def ray(self) -> str:
        """The address of the Ray cluster, host:port."""
        return self.other_ray or f"127.0.0.1:{self.port_ray}"

    @property
    def other_ray(self) -> str | None:
        """The address of a cluster that `mlp up` did not start; None where ours is used."""
        asked = "ray" in (self.shards, self.trials)
        return self.ray_address if asked and self.ray_address != f"127.0.0.1:{self.port_ray}" else None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = Path(init_settings()["home"]) / FILE
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)


def load_settings(home: Path | None = None) -> Settings:
    """Reads the settings.

    Args:
        home: the directory of all state; ``MLP_HOME`` by default, else ``.mlp`` below the working directory.

    Raises:
        SettingsError: a value cannot be used, a key of the file is unknown, or a variable is misspelled.
    """
    folder = (home or home_folder()).resolve()
    problems = list(_misspelled(os.environ))
    try:
        settings = Settings(home=folder)
    except ValidationError as error:
        problems += [_message(folder / FILE, details) for details in error.errors()]
    except ValueError as error:  # tomllib's
        problems.append(f"{folder / FILE} is not valid TOML: {error}. Write one 'name = value' a line.")
    else:
        if not problems:
            return settings
    raise SettingsError("\n".join(problems))


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return name.upper() if Settings.model_fields[name].validation_alias else f"{_PREFIX}{name.upper()}"


def secret(value: SecretStr | None) -> str | None:
    """The text of a secret setting."""
    return value.get_secret_value() if value is not None else None


def _misspelled(environment: Mapping[str, str]) -> Iterator[str]:
    known = [variable(name) for name in Settings.model_fields]
    for name in sorted(environment):
        close = get_close_matches(name.upper(), known, n=1, cutoff=_MISSPELLED)
        if name.startswith(_PREFIX) and name not in known and close:
            yield f"{name} is not a setting. Write {close[0]}, or unset it."


def _message(file: Path, error: Mapping[str, Any]) -> str:
    name = str(error["loc"][0])
    if name not in Settings.model_fields:
        close = get_close_matches(name, Settings.model_fields, n=1)
        fix = f"Write {close[0]}" if close else f"Write one of {', '.join(sorted(Settings.model_fields))}"
        return f"{file}: {name} is not a setting. {fix}, or remove it."
    field, value = Settings.model_fields[name], error["input"]
    (expected,) = [each for each in field.metadata if isinstance(each, Expected)]
    shown = "**********" if "Secret" in str(field.annotation) else repr(value)
    from_environment = value in (os.environ.get(variable(name)), None)
    written = f"{variable(name)}={shown}" if from_environment else f"{file}: {name} = {shown}"
    return f"{written} is not {expected.noun}. Write {expected.write}."
