"""One decision on paper, from a scan of the market to the gate's verdict. No key, no network, nothing written.

Run it with `python examples/quickstart.py`. `quickstart.ipynb` tells the same in cells, with a chart.
"""

from __future__ import annotations

import asyncio
import textwrap

from agents import ResearchAgent, RiskAgent, SignalAgent
from context import ContextBook, Pieces, Synthesis
from domain.digest import plain
from graphs import PaperDesk
from policy import Verdict


async def main() -> None:
    async with await PaperDesk.open("sim", seed=7, bar=4) as paper:
        print(f"A paper desk at {paper.as_of:%Y-%m-%d %H:%M} UTC of a simulated market")

        heading("Signal: what is worth a look")
        scan = await SignalAgent()(paper.desk("signal"))
        for signal in scan.signals:
            print(f"{signal.symbol}: {signal.direction}, score {signal.score}, by {', '.join(signal.detectors)}")
        for symbol, reason in scan.quiet:
            print(f"{symbol}: quiet, {reason}")

        best = scan.signals[0]
        heading(f"Research: an opinion about {best.symbol}")
        thesis = await ResearchAgent()(best, paper.desk("research", best.symbol))
        print(f"{thesis.stance} with conviction {thesis.conviction}: {thesis.rationale}")
        print(f"rests on {', '.join(thesis.evidence)}")

        heading("What the model was shown, and what was left out")
        seen = paper.context(best.symbol)
        show_prompt(seen)
        show_room(seen)

        heading("The same evidence with less room")
        evidence = ContextBook(items=seen.items)
        show_room(evidence.synthesize(budget=1_700, tokenizer=Pieces(), as_of=seen.as_of, brief=seen.brief))

        heading("Risk: a proposal")
        plan = await RiskAgent()([thesis], paper.desk("risk"))
        for proposal in plan.proposals:
            print(f"{proposal.side} {proposal.quantity} {proposal.symbol} at {proposal.type}")
            print(f"stop {proposal.stop_price}, target {proposal.target_price}")
        for symbol, reason in plan.declined:
            print(f"{symbol}: nothing proposed, {reason}")

        heading("Gate: the verdict")
        for verdict in await paper.gate(plan.proposals, theses=[thesis]):
            show_verdict(verdict)


def heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def show_prompt(seen: Synthesis) -> None:
    for message in seen.messages:
        print(f"[{message.role}]")
        for line in message.content.splitlines():
            print(textwrap.fill(line, width=110, subsequent_indent="    "))
        print()


def show_room(seen: Synthesis) -> None:
    """The tokens of each lane, and what was left out with the reason."""
    print(f"{seen.tokens.used} of {seen.tokens.budget} tokens")
    for lane in seen.lanes:
        print(f"{lane.lane:16}{lane.tokens:5} tokens{lane.sent:5} sent{lane.left_out:5} left out")
    text = {item.id: item.text for item in seen.items}
    for dropped in seen.dropped:
        print(f"{dropped.reason:10}{text[dropped.item_id]}")


def show_verdict(verdict: Verdict) -> None:
    """The outcome, and what every check found."""
    print(f"{verdict.outcome} {verdict.symbol}")
    for found in verdict.findings:
        measured = ""
        if found.observed is not None and found.limit is not None:
            measured = f": {plain(found.observed)} against {plain(found.limit)} {found.unit}"
        print(f"{found.outcome:6}{found.code:16}{found.message}{measured}")


if __name__ == "__main__":
    asyncio.run(main())
