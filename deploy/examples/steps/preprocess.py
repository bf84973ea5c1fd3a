"""Makes the data to learn from: preprocess.py DATA"""

import csv
import random
import sys

random.seed(1)
with open(sys.argv[1], "w", newline="", encoding="utf-8") as file:
    rows = csv.writer(file)
    for _ in range(200):
        x = random.uniform(-1, 1)
        rows.writerow([x, 3 * x + 2 + random.gauss(0, 0.1)])
print("rows=200")
