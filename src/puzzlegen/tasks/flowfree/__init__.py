"""FlowFree: join the two dots of every color by paths that cover the whole board. `FlowFree` is the task."""

from puzzlegen.tasks.flowfree.rules import FlowFree as FlowFree
from puzzlegen.tasks.flowfree.rules import FlowParams as FlowParams
from puzzlegen.tasks.flowfree.strands import FlowState as FlowState
