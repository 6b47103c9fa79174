"""Saves three models as users of mlflow do, and writes what is to be scored beside what they say themselves of it."""

import json
import warnings
from importlib.metadata import version
from pathlib import Path

warnings.filterwarnings("ignore")

import lightgbm  # noqa: E402
import mlflow.lightgbm  # noqa: E402
import mlflow.onnx  # noqa: E402
import mlflow.pyfunc  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from mlflow.models import infer_signature  # noqa: E402
from PIL import Image  # noqa: E402
from skl2onnx import to_onnx  # noqa: E402
from sklearn.datasets import load_diabetes, load_digits  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

# One list for all: their environment is then one.
NAMES = (
    "mlflow-skinny",
    "lightgbm",
    "onnx",
    "onnxruntime",
    "pandas",
    "pillow",
    "pyarrow",
    "scikit-learn",
    "cloudpickle",
)
REQUIREMENTS = [f"{name}=={version(name)}" for name in NAMES]


def gradient_boosting() -> object:
    """A LightGBM regression over a table."""
    table, target = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    table = table.astype({"age": int, "sex": int})
    model = lightgbm.LGBMRegressor(n_estimators=20, verbose=-1).fit(table, target)
    signature = infer_signature(table.astype({"age": float}), model.predict(table))
    mlflow.lightgbm.save_model(model.booster_, "boosting", signature=signature, pip_requirements=REQUIREMENTS)
    Path("tables/deep").mkdir(parents=True)
    table[:3].to_csv("tables/deep/a.csv", index=False)
    table[3:6].to_parquet("tables/b.parquet")  # Its ages are whole numbers, the signature's are not.
    table[6:8].drop(columns=["bmi"]).to_csv("tables/c.csv", index=False)
    Path("tables/d.parquet").write_bytes(b"PAR1 cut off")
    return {"b.parquet": model.predict(table[3:6]).tolist(), "deep/a.csv": model.predict(table[:3]).tolist()}


def network() -> object:
    """An ONNX graph over tensors, scored from pictures; it gives a label and the probability of each digit."""
    digits = load_digits()
    pixels = (digits.data * 15).astype(np.float32)
    model = LogisticRegression(max_iter=50).fit(pixels, digits.target)
    graph = to_onnx(model, pixels[:1], options={"zipmap": False})
    mlflow.onnx.save_model(
        graph,
        "network",
        signature=infer_signature(pixels[:2]),
        pip_requirements=REQUIREMENTS,
        save_as_external_data=False,
    )
    Path("pictures").mkdir()
    for at in range(3):
        Image.fromarray(pixels[at].reshape(8, 8).astype(np.uint8)).save(f"pictures/{at}.png")
    Image.new("RGB", (9, 9)).save("pictures/large.png")
    return {f"{at}.png": int(model.predict(pixels[at : at + 1])[0]) for at in range(3)}


class Shop(mlflow.pyfunc.PythonModel):
    """Code of one's own, with two columns of predictions."""

    def predict(self, context, model_input, params=None):
        """Give the shop's code and what it sold."""
        return pd.DataFrame({"code": model_input["code"], "total": model_input["price"] * model_input["sold"]})


def own_code() -> object:
    """A pyfunc of one's own over JSON lines."""
    sales = pd.DataFrame({"code": ["007", "008"], "price": [0.5, 2.0], "sold": [3, 4]})
    signature = infer_signature(sales, Shop().predict(None, sales))
    mlflow.pyfunc.save_model("shop", python_model=Shop(), signature=signature, pip_requirements=REQUIREMENTS)
    Path("sales").mkdir()
    sales.to_json("sales/monday.jsonl", orient="records", lines=True)
    sales[1:].to_csv("sales/tuesday.csv", index=False)
    return None


expected = {"boosting": gradient_boosting(), "network": network(), "shop": own_code()}
Path("expected.json").write_text(json.dumps(expected))
