"""What is stored in the database."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    number: models.CharField[str, str] = models.CharField(max_length=40, unique=True)
    confirmed: models.BooleanField[bool, bool] = models.BooleanField(default=False)
