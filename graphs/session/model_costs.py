"""What models may cost: what a run says of it at its start."""

from __future__ import annotations

from graphs.session.session import Session

_HOW = 'in agentctl.toml: [models."{name}"] price = {{input = "1.25", output = "10"}}, in USD per million tokens'


def outlook(session: Session) -> tuple[str, ...]:
    """What an operator must know of the model's price before the first cycle; nothing where it is known."""
    model, limits = session.model, session.settings.policy.agent_budget
    if not model.paid or getattr(model, "price", None) is not None:
        return ()
    unknown = f"the price of {model.name} is unknown"
    if limits is None or not limits.enabled or limits.usd is None:
        return (f"{unknown}, and what it costs is not counted. Set it {_HOW.format(name=model.name)}",)
    return (
        f"{unknown}: once it was asked, AGENT_BUDGET refuses every entry of that day, since what was spent may be "
        f"above the limit; exits pass. Set it {_HOW.format(name=model.name)}",
    )
