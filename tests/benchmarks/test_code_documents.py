"""The shipped code benchmark, its programs run by a small interpreter: nothing in the data is ever executed."""

import ast
import json
import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "suites" / "benchmarks"
OPERATORS: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Mod: operator.mod,
    ast.Lt: operator.lt,
    ast.Gt: operator.gt,
    ast.Eq: operator.eq,
}
FUNCTIONS = {"max": max, "min": min, "range": range, "sorted": sorted}
METHODS = {"join": str.join, "upper": str.upper, "values": dict.values}


def printed(program: str) -> list[str]:
    """What the program prints, by line."""
    output: list[Any] = []
    execute(ast.parse(program).body, FUNCTIONS | {"print": output.append})
    return [str(value) for value in output]


def execute(statements: Sequence[ast.stmt], names: dict[str, Any]) -> None:
    for statement in statements:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                names[name] = evaluate(value, names)
            case ast.Assign(targets=[ast.Subscript(value=holder, slice=key)], value=value):
                evaluate(holder, names)[evaluate(key, names)] = evaluate(value, names)
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                names[name] = OPERATORS[type(op)](names[name], evaluate(value, names))
            case ast.For(target=ast.Name(id=name), iter=items, body=body):
                for item in evaluate(items, names):
                    names[name] = item
                    execute(body, names)
            case ast.While(test=test, body=body):
                while evaluate(test, names):
                    execute(body, names)
            case ast.If(test=test, body=body, orelse=otherwise):
                execute(body if evaluate(test, names) else otherwise, names)
            case ast.FunctionDef(name=name, args=arguments, body=[ast.Return(value=value)]):
                names[name] = function([a.arg for a in arguments.args], value, names)
            case ast.Expr(value=value):
                evaluate(value, names)
            case _:
                raise NotImplementedError(ast.dump(statement))


def function(parameters: list[str], value: ast.expr, names: Mapping[str, Any]) -> Any:
    return lambda *given: evaluate(value, {**names, **dict(zip(parameters, given, strict=True))})


def evaluate(node: ast.expr, names: Mapping[str, Any]) -> Any:
    def of(part: ast.expr) -> Any:
        return evaluate(part, names)

    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return names[name]
        case ast.List(elts=parts):
            return [of(part) for part in parts]
        case ast.Dict(keys=keys, values=values):
            return {of(key): of(value) for key, value in zip(keys, values, strict=True)}
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -of(operand)
        case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
            return OPERATORS[type(op)](of(left), of(right))
        case ast.Subscript(value=holder, slice=ast.Slice(lower=None, upper=upper, step=None)):
            return of(holder)[: of(upper)]
        case ast.Subscript(value=holder, slice=key):
            return of(holder)[of(key)]
        case ast.Call(func=ast.Attribute(value=holder, attr=name), args=arguments):
            return METHODS[name](of(holder), *map(of, arguments))
        case ast.Call(func=called, args=arguments):
            return of(called)(*map(of, arguments))
    raise NotImplementedError(ast.dump(node))


def test_the_interpreter_on_programs_worked_out_by_hand() -> None:
    program = (
        "def f(x, y):\n    return x - y\n\nz = [4, 9]\nfor n in z:\n    if n % 2 == 0:\n        print(f(n, z[-1]))"
    )
    assert printed(program) == ["-5"]
    assert printed('d = {"a": 1}\nd["a"] = 7\nprint(max(d.values()))\nprint("xyz"[:2].upper())') == ["7", "XY"]
    assert printed("x = 3\nwhile x < 20:\n    x *= 2\nprint(x)") == ["24"]


def test_every_key_is_what_the_program_prints_and_no_other_choice_is() -> None:
    for line in (FOLDER / "code.jsonl").read_text().splitlines():
        document = json.loads(line)
        (answer,) = printed(document["question"])
        assert [i for i, choice in enumerate(document["choices"]) if choice == answer] == [document["gold"]], document
