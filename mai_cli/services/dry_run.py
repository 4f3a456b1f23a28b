"""What an order would do, without doing it."""

from mai_cli.models.plan import Item, Plan
from mai_cli.services.generation import Order


def plan(order: Order) -> Plan:
    """The pictures of ``order``, each with its request, outputs and estimated cost."""
    items = []
    for request, number in zip(order.requests, order.numbers, strict=True):
        files = [str(output.file_for("", number)) for output in order.outputs.files]
        items.append(
            Item(
                action="draw",
                deployment=request.deployment,
                model=request.model.name,
                url=request.url(order.endpoint) if order.endpoint else None,
                body=request.body,
                images=[str(image.path) for image in request.images],
                outputs=[*files, "-"] if order.outputs.to_stdout else files,
                cost_usd=request.estimated_cost if order.endpoint else 0.0,
            )
        )
    return Plan(items)
