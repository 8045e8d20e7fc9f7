#!/usr/bin/env python3
"""Makes the data of the chain task: prompts with checkable answers and verified chains of thought.

A problem is a chain of additions, subtractions and multiplications of digits, evaluated strictly from
left to right, modulo 10:  ``3+2*4=`` is ((3 + 2) * 4) mod 10 = 0.  A *merged* chain of thought copies the
operations and writes the running value after some of them; operations are joined with probability 1/2:

    prompt    3+2*4-5=
    response  +2*4=0-5=5!5.

The text between the last ``!`` and the final ``.`` is the answer. One expression in eight is held out for
testing, by a hash of the expression itself, so training and test data can never share a problem.

Writes sft.jsonl (prompt, response, answer), prompts.jsonl and test.jsonl (prompt, answer) to a folder.
Only the standard library is needed. The same seed gives the same bytes.
"""

import argparse
import json
import pathlib
import random
import zlib

STEPS = {"+": lambda a, b: (a + b) % 10, "-": lambda a, b: (a - b) % 10, "*": lambda a, b: (a * b) % 10}


def held_out(expression):
    """Whether an expression belongs to the test set: one in eight does."""
    return zlib.crc32(expression.encode()) % 8 == 0


def draw_problem(rng, operations, largest, test):
    """A random problem as (first digit, [(operator, operand, running value), ...])."""
    while True:
        first = rng.randint(1, largest)
        value, steps = first, []
        for _ in range(operations):
            operator, operand = rng.choice("+-*"), rng.randint(2, largest)
            value = STEPS[operator](value, operand)
            steps.append((operator, operand, value))
        if held_out(expression_of(first, steps)) == test:
            return first, steps


def expression_of(first, steps):
    return str(first) + "".join(f"{operator}{operand}" for operator, operand, _ in steps)


def merged_trace(rng, steps):
    """A correct chain of thought that skips the running value of about half of the operations."""
    text = ""
    for index, (operator, operand, value) in enumerate(steps):
        text += f"{operator}{operand}"
        if index == len(steps) - 1 or rng.random() < 0.5:
            text += f"={value}"
    return f"{text}!{steps[-1][2]}."


def check(prompt, response, answer):
    """Every value a trace writes is the true running value, and its end is the answer."""
    expression, written = prompt[:-1], response[:-1].split("!")
    value = int(expression[0])
    position = 1
    for segment in written[0].split("="):
        digits = segment
        if position > 1 or digits[:1].isdigit():
            if int(digits[:1]) != value:
                raise ValueError(f"wrong running value in {prompt!r} {response!r}")
            digits = digits[1:]
        for index in range(0, len(digits), 2):
            if expression[position : position + 2] != digits[index : index + 2]:
                raise ValueError(f"operations differ in {prompt!r} {response!r}")
            value = STEPS[digits[index]](value, int(digits[index + 1]))
            position += 2
    if position != len(expression) or str(value) != written[1] or str(value) != answer:
        raise ValueError(f"wrong answer in {prompt!r} {response!r}")


def records(rng, count, operations, largest, test, with_response):
    for _ in range(count):
        first, steps = draw_problem(rng, operations, largest, test)
        record = {"prompt": expression_of(first, steps) + "=", "answer": str(steps[-1][2])}
        if with_response:
            record["response"] = merged_trace(rng, steps)
            check(record["prompt"], record["response"], record["answer"])
        yield record


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="where the files go")
    parser.add_argument("--operations", type=int, default=8, help="operations of a problem (8)")
    parser.add_argument("--largest", type=int, default=5, help="largest digit of an operand (5)")
    parser.add_argument("--sft", type=int, default=20000, help="chains of thought for the warm-up (20000)")
    parser.add_argument("--prompts", type=int, default=4000, help="prompts for RL (4000)")
    parser.add_argument("--test", type=int, default=400, help="held-out prompts (400)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.operations < 1 or not 2 <= options.largest <= 9:
        parser.error("a problem has at least 1 operation, and operands of 2 to 9")

    options.folder.mkdir(parents=True, exist_ok=True)
    for offset, (name, count, test, with_response) in enumerate(
        [("sft", options.sft, False, True), ("prompts", options.prompts, False, False), ("test", options.test, True, False)]
    ):
        # The test set is the same for every seed, so that runs can be compared.
        rng = random.Random(12345 if test else options.seed * 1000 + offset)
        path = options.folder / f"{name}.jsonl"
        with path.open("w") as file:
            for record in records(rng, count, options.operations, options.largest, test, with_response):
                file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
