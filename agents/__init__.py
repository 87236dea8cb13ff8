"""The five agents, the desk they work at, and the language models they ask.

Imports `tools`, `memory` and the floors below; never LangGraph, SQLAlchemy or an HTTP client.
"""

from agents.desk import Desk
from agents.execution import ExecutionAgent
from agents.gateway import LiteLLMModel
from agents.learning import LearningAgent
from agents.model import Completion, LanguageModel
from agents.models import open_model
from agents.research import ResearchAgent
from agents.risk import RiskAgent
from agents.rules import RulesModel
from agents.scripted import ScriptedModel
from agents.settings import DeskSettings
from agents.signal import SignalAgent

__all__ = [
    "Completion",
    "Desk",
    "DeskSettings",
    "ExecutionAgent",
    "LanguageModel",
    "LearningAgent",
    "LiteLLMModel",
    "ResearchAgent",
    "RiskAgent",
    "RulesModel",
    "ScriptedModel",
    "SignalAgent",
    "open_model",
]
