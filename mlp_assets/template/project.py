"""Will this customer order again within a week? Everything from the orders to the endpoint."""

import polars as pl

import mlp_assets as mlp
from mlp_assets.template import learning, reading

# The sample data ends at END. Leave END out if rows keep coming: then each week is computed when it is over.
START, END = "2024-01-01", "2024-10-07"

orders = mlp.Source(
    "orders",
    read=reading.read_orders,
    event_time="ordered_at",
    every="1w",
    start=START,
    end=END,
    columns={"customer_id": pl.Int64, "ordered_at": pl.Datetime, "amount": pl.Float64, "category": pl.String},
    description="One row per order. Start here with your own data and columns.",
)
outcomes = mlp.Source(
    "outcomes",
    read=reading.read_outcomes,
    inputs=[orders],
    event_time="asked_at",
    delay="162h",
    every="1w",
    start=START,
    end=END,
    columns={"customer_id": pl.Int64, "asked_at": pl.Datetime, "ordered_again": pl.Float64},
    description="Did the customer order by the end of the week? Known then.",
)

customer = mlp.Entity("customer", keys=["customer_id"], description="Someone who ordered at least once.")
habits = mlp.FeatureView(
    "habits",
    entity=customer,
    source=orders,
    every="1w",
    ttl="90d",
    online=True,
    features={
        "orders_7d": mlp.count(over="7d", description="Orders in the last week."),
        "orders_28d": mlp.count(over="28d", description="Orders in the last four weeks."),
        "orders_84d": mlp.count(over="84d", description="Orders in the last twelve weeks."),
        "spend_28d": mlp.total(
            "amount", over="28d", description="Euros spent in the last four weeks.", tags={"unit": "eur"}
        ),
        "food_share_84d": mlp.ratio(
            mlp.total("amount", over="84d", where=pl.col("category") == "food"),
            mlp.total("amount", over="84d"),
            description="Share of the spending of twelve weeks that went to food.",
        ),
        "days_since_order": mlp.days_since_last(over="84d", description="Days since the last order."),
    },
    description="How often and how recently a customer orders.",
)
history = mlp.TrainingSet(
    "history",
    labels=outcomes,
    target="ordered_again",
    features=[habits],
    derive=learning.rhythm,
    description="Each customer six hours into each week, with the features that a request would get then.",
)

model = mlp.Model(
    "orders_again",
    training_set=history,
    train=learning.train,
    task="binary",
    params={"num_leaves": 15, "learning_rate": 0.05},
    gates=[
        mlp.AtLeast("roc_auc", 0.7),
        mlp.BetterThan("base_rate"),
        mlp.NoWorseThan("champion", margin=0.005),
    ],
)
score = mlp.Endpoint("score", model=model, route="/my_project/score")
health = mlp.Monitor(
    "health",
    watches=score,
    alarms=[mlp.DriftAlarm(), mlp.QualityAlarm(), mlp.PerformanceAlarm("roc_auc")],
    minimum_rows=200,
    retrain=True,
)

project = mlp.Project("my_project", owner="team:my_project", assets=[health])  # reaches everything above
