# SPDX-License-Identifier: Apache-2.0
"""The rows of the table `users`, for whoever makes, inserts or compares them."""

import datetime

ROWS, PAGE = 100_000, 100
# The last id after which there are PAGE rows, its own included.
LAST = ROWS - PAGE + 1
EPOCH = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
COLUMNS = ("id", "name", "email", "age", "score", "active", "created_at")


def user(number):
    """The row with that id."""
    created = EPOCH + number * datetime.timedelta(microseconds=1_000_001)
    return number, f"user name {number}", f"user{number}@example.com", 18 + number % 60, number * 0.5, number % 2 == 0, created
