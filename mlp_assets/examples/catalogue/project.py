"""A grocery's third question: which category does a new product belong to, given its description?"""

import polars as pl

import mlp_assets as mlp
from mlp_assets.examples.catalogue import feed, training

EPOCHS = 5

description = mlp.Entity("description", keys=["text"], description="Type, brand and size of a product, as one text.")

first_sales = mlp.Source(
    "first_sales",
    read=feed.descriptions,
    event_time="sold_at",
    columns={"text": pl.String, "product_type": pl.String, "category": pl.String, "sold_at": pl.Datetime},
    every="1w",
    start="2016-12-26",
    end="2018-01-08",
    description="Products at their first sale: their description and their category.",
)

product_category = mlp.Model(
    "product_category",
    training_set=mlp.TrainingSet(
        "described_products",
        labels=first_sales,
        target="category",
        entity=description,
        split=mlp.SplitByGroup("product_type", validation=0.1, test=0.2),
    ),
    task="multiclass",
    encode={"text": mlp.Tokens(length=24, tokenizer=feed.encoder_tokenizer)},
    train=training.train_category,
    params={"epochs": EPOCHS},
    compute=mlp.Accelerate(mixed_precision="bf16", gradient_accumulation=2),
    gates=[
        mlp.BetterThan("tfidf"),
        mlp.AtLeast("accuracy", 0.45),
        mlp.NoWorseThan("champion", margin=0.01),
    ],
)

project = mlp.Project("catalogue", owner="team:catalogue", assets=[mlp.Endpoint("category_of", model=product_category)])
