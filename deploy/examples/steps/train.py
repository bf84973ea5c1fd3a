"""Fits a line by gradient descent: train.py DATA MODEL [RATE [STEPS]]

Prints the loss of every step, for whoever reads the log."""

import csv
import json
import sys

data, model = sys.argv[1:3]
rate = float(sys.argv[3]) if len(sys.argv) > 3 else 0.5
steps = int(sys.argv[4]) if len(sys.argv) > 4 else 30

with open(data, newline="", encoding="utf-8") as file:
    points = [(float(x), float(y)) for x, y in csv.reader(file)]

slope = offset = 0.0
for step in range(1, steps + 1):
    errors = [(slope * x + offset - y, x) for x, y in points]
    loss = sum(error * error for error, _ in errors) / len(points)
    print(f"step={step} loss={loss:.6f}", flush=True)
    slope -= rate * 2 * sum(error * x for error, x in errors) / len(points)
    offset -= rate * 2 * sum(error for error, _ in errors) / len(points)

with open(model, "w", encoding="utf-8") as file:
    json.dump({"slope": slope, "offset": offset}, file)
