"""Ask a language model the puzzles of a dataset in words, and judge what it answers by the rules.

python examples/01_make_a_dataset.py OUT
python examples/06_ask_a_language_model.py OUT/data OUT/answers.jsonl
puzzlegen score-text OUT/answers.jsonl --instances OUT/data --out OUT/scores
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from puzzlegen import Row, load, score_text
from puzzlegen.question import question_of


def ask(question: str, row: Row) -> str:
    """Put your model here. This one knows the solution and loses its thread in half of all cases."""
    end = random.Random(row["id"]).choice([len(row["actions"]), len(row["actions"]) // 2])
    return f"I see {len(question)} characters.\nAnswer: {row.task.line(row['actions'][:end])}"


def main(folder: Path, out: Path) -> None:
    lines = []
    for row in load(folder):
        answer = ask(question_of(row.task, row.start), row)
        score = score_text(answer, row)  # also a reward for reinforcement: 1.0 only if all of it is right
        verdict = "solved" if score.solved else score.violations[0].code
        print(f"{row['id']:<24} {verdict:<12} reward {score.value:.2f}")
        lines.append(json.dumps({"id": row["id"], "answer": answer}))
    out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
