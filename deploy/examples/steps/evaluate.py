"""Scores a model: evaluate.py DATA MODEL SCORE"""

import csv
import json
import sys

data, model, score = sys.argv[1:4]
with open(model, encoding="utf-8") as file:
    line = json.load(file)
with open(data, newline="", encoding="utf-8") as file:
    errors = [line["slope"] * float(x) + line["offset"] - float(y) for x, y in csv.reader(file)]
loss = sum(error * error for error in errors) / len(errors)
with open(score, "w", encoding="utf-8") as file:
    json.dump({"loss": loss}, file)
print(f"loss={loss:.6f}")
