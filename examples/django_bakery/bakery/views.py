"""What the bakery answers."""

from __future__ import annotations

import json

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from bakery.jobs import Bakery
from bakery.models import Order
from bakery.tasks import send_mail
from flowli.django import runtime


@csrf_exempt
def order(request: HttpRequest) -> JsonResponse:
    """Stores an order, and confirms it once it is committed."""
    asked = json.loads(request.body)
    flowli = runtime(Bakery)
    try:
        with transaction.atomic():
            made = Order.objects.create(number=asked["number"])
            transaction.on_commit(lambda: flowli.confirm.sync.enqueue(made.number, id=f"confirm-{made.number}"))
            if asked.get("regret"):
                raise ValueError
    except ValueError:
        return JsonResponse({"said": "never mind"}, status=409)
    return JsonResponse({"id": f"confirm-{made.number}"}, status=202)


def state(request: HttpRequest, id: str) -> JsonResponse:
    """Waits for the job of an order."""
    del request
    said = runtime(Bakery).confirm.sync.handle(id).result(timeout=10)
    return JsonResponse({"said": said})


@csrf_exempt
def mail(request: HttpRequest) -> JsonResponse:
    """Enqueues a task as Django has them."""
    asked = json.loads(request.body)
    result = send_mail.enqueue(asked["to"], text="hello")
    return JsonResponse({"id": result.id, "status": str(result.status)}, status=202)
