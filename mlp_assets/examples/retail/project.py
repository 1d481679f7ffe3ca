"""A grocery's two questions: will this household buy again, and how much will this store sell?"""

from functools import partial

import polars as pl

import mlp_assets as mlp
from mlp_assets.examples.retail import features, feed, training

weekly_source = partial(mlp.Source, every="1w", start="2016-12-26", end="2018-01-08")

household = mlp.Entity("household", keys=["household_id"], description="A household with a loyalty card.")
shelf = mlp.Entity("shelf", keys=["household_id", "category"], description="A household and a category.")
category = mlp.Entity("category", keys=["category"], description="One of the thirty most bought categories.")
stock = mlp.Entity("stock", keys=["store_id", "category"], description="A store and a category.")

purchases = weekly_source(
    "purchases",
    read=feed.till_lines,
    event_time="bought_at",
    columns={
        "household_id": pl.Int64, "store_id": pl.Int64, "basket_id": pl.Int64, "category": pl.String,
        "department": pl.String, "quantity": pl.Int64, "sales_value": pl.Float64, "bought_at": pl.Datetime,
    },
    description="Every line of every receipt.",
)  # fmt: skip
outcomes = weekly_source(
    "repurchase_outcomes",
    read=feed.repurchase_outcomes,
    inputs=[purchases],
    event_time="asked_at",
    delay="162h",
    columns={"household_id": pl.Int64, "category": pl.String, "asked_at": pl.Datetime, "bought_again": pl.Float64},
    description="Did the household buy the category by the end of the week? Known then.",
)
sales = weekly_source(
    "demand_outcomes",
    read=feed.demand_outcomes,
    inputs=[purchases],
    event_time="asked_at",
    delay="162h",
    columns={
        "store_id": pl.Int64, "category": pl.String, "asked_at": pl.Datetime,
        "displays": pl.Float64, "mailers": pl.Float64, "units": pl.Float64,
    },
    description="Units of the category that the store sold by the end of the week, and the promotions planned for it.",
)  # fmt: skip

household_habits = mlp.FeatureView(
    "household_habits",
    entity=household,
    source=purchases,
    every="1w",
    ttl="182d",
    online=True,
    features={
        "trips_7d": mlp.count_distinct("basket_id", over="7d", description="Trips in the last week."),
        "trips_28d": mlp.count_distinct("basket_id", over="28d", description="Trips in the last four weeks."),
        "trips_182d": mlp.count_distinct("basket_id", over="182d", description="Trips in the last half year."),
        "spend_28d": mlp.total("sales_value", over="28d", description="Dollars spent in the last four weeks."),
        "line_value_28d": mlp.mean(
            "sales_value", over="28d", description="Mean dollars per receipt line in the last four weeks."
        ),
        "categories_28d": mlp.count_distinct(
            "category", over="28d", description="Categories bought in the last four weeks."
        ),
        "days_since_trip": mlp.days_since_last(
            over="182d", description="Days since the last trip, within half a year."
        ),
    },
)
shelf_habits = mlp.FeatureView(
    "shelf_habits",
    entity=shelf,
    source=purchases,
    every="1w",
    ttl="182d",
    online=True,
    features={
        "category_baskets_7d": mlp.count_distinct(
            "basket_id", over="7d", description="Baskets with the category in the last week."
        ),
        "category_baskets_28d": mlp.count_distinct(
            "basket_id", over="28d", description="Baskets with the category in the last four weeks."
        ),
        "category_baskets_56d": mlp.count_distinct(
            "basket_id", over="56d", description="Baskets with the category in the last eight weeks."
        ),
        "category_baskets_182d": mlp.count_distinct(
            "basket_id", over="182d", description="Baskets with the category in the last half year."
        ),
        "category_units_28d": mlp.total(
            "quantity", over="28d", description="Units of the category in the last four weeks."
        ),
        "category_spend_56d": mlp.total(
            "sales_value", over="56d", description="Dollars spent on the category in the last eight weeks."
        ),
        "days_since_category": mlp.days_since_last(
            over="182d", description="Days since the category was last bought, within half a year."
        ),
    },
    derive=features.buying_rhythm,
    describe={
        "usual_gap_days": "Mean days between two baskets with the category, over half a year.",
        "overdue": "Days since the category was last bought, in usual gaps.",
    },
)
category_pulse = mlp.FeatureView(
    "category_pulse",
    entity=category,
    source=purchases,
    every="1w",
    ttl="28d",
    online=True,
    features={
        "category_buyers_7d": mlp.count_distinct(
            "household_id", over="7d", description="Households that bought the category in the last week."
        ),
        "category_buyers_28d": mlp.count_distinct(
            "household_id", over="28d", description="Households that bought the category in the last four weeks."
        ),
        "category_line_value_28d": mlp.mean(
            "sales_value", over="28d", description="Mean dollars per line of the category in the last four weeks."
        ),
    },
)
store_sales = mlp.FeatureView(
    "store_sales",
    entity=stock,
    source=purchases,
    every="1w",
    ttl="56d",
    online=True,
    features={
        "units_7d": mlp.total("quantity", over="7d", description="Units sold in the last week."),
        "units_14d": mlp.total("quantity", over="14d", description="Units sold in the last two weeks."),
        "units_28d": mlp.total("quantity", over="28d", description="Units sold in the last four weeks."),
        "units_56d": mlp.total("quantity", over="56d", description="Units sold in the last eight weeks."),
        "buyers_28d": mlp.count_distinct(
            "household_id", over="28d", description="Households that bought there in the last four weeks."
        ),
        "value_28d": mlp.total("sales_value", over="28d", description="Dollars of sales in the last four weeks."),
        "days_since_sale": mlp.days_since_last(over="56d", description="Days since the last sale, within eight weeks."),
    },
    derive=features.demand_level,
    describe={
        "units_week_mean_4w": "Mean units sold per week over the last four weeks.",
        "units_trend": "Units of the last week, divided by that mean plus one.",
    },
)

repurchase = mlp.Model(
    "repurchase",
    training_set=mlp.TrainingSet(
        "repurchase_history",
        labels=outcomes,
        target="bought_again",
        features=[household_habits, shelf_habits, category_pulse],
        derive=features.category_share,
        since="2017-02-27",
        split=mlp.SplitByTime(validation="2w", test="3w"),
    ),
    task="binary",
    train=training.train_repurchase,
    compute=mlp.Accelerate(processes=2),
    gates=[
        mlp.AtLeast("roc_auc", 0.80),
        mlp.BetterThan("base_rate", by="household_id"),
        mlp.BetterThan("logistic_regression", by="household_id"),
        mlp.NoWorseThan("champion", margin=0.001),
    ],
)
demand = mlp.Model(
    "demand",
    training_set=mlp.TrainingSet(
        "demand_history",
        labels=sales,
        target="units",
        request=["displays", "mailers"],
        features=[store_sales, category_pulse],
        since="2017-02-27",
        split=mlp.SplitByTime(validation="2w", test="3w"),
    ),
    task="regression",
    train=training.train_demand,
    gates=[
        mlp.BetterThan("column:units_7d", by="store_id"),
        mlp.BetterThan("column:units_week_mean_4w", by="store_id"),
        mlp.NoWorseThan("champion", margin=0.05),
    ],
)

ALARMS = [mlp.DriftAlarm(), mlp.QualityAlarm()]
repurchase_health = mlp.Monitor(
    "repurchase_health",
    watches=mlp.Endpoint("repurchase_score", model=repurchase),
    alarms=[*ALARMS, mlp.PerformanceAlarm("roc_auc")],
    retrain=True,
)
demand_health = mlp.Monitor(
    "demand_health",
    watches=mlp.Endpoint("demand_forecast", model=demand),
    alarms=[*ALARMS, mlp.PerformanceAlarm("mae")],
)

project = mlp.Project("retail", owner="team:retail", assets=[repurchase_health, demand_health])
