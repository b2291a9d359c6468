"""Addresses."""

from __future__ import annotations

from bakery import views
from django.urls import path

urlpatterns = [
    path("orders", views.order),
    path("orders/<str:id>", views.state),
    path("mails", views.mail),
]
