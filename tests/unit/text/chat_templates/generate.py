#!/usr/bin/env python3
"""Writes what jinja2, set up as transformers sets it up, makes of the templates beside this file."""
import datetime, json, pathlib
import jinja2, jinja2.ext, jinja2.sandbox

HERE = pathlib.Path(__file__).parent
NOW = 1_700_049_600  # Noon, so that the date is the same in most time zones.


class Generation(jinja2.ext.Extension):
    """{% generation %} marks the assistant's own words; its body is simply put out."""
    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: \
        json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: datetime.datetime.fromtimestamp(NOW).strftime(f)
    return env


TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Weather in a \"city\" <now>",
          "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                         "required": ["city"]}, "return": "x"}}]
U = lambda text: {"role": "user", "content": text}
A = lambda text, **more: {"role": "assistant", "content": text, **more}
S = lambda text: {"role": "system", "content": text}
CALL = [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Zürich", "days": 2, "x": None, "y": 1.5, "z": True}}}]
CONVERSATIONS = [
    [U("Hello")],
    [S("Be brief.\n"), U("  Hi there!  ")],
    [U("1 < 2 & \"3\"?"), A(" Yes.\n"), U("中文 😀")],
    [S("sys"), U("a"), A("b"), U("c"), A("d"), U("e")],
    [U("a"), A("<think>\nhm\n</think>\n\nfine"), U("b"), A("<think>x</think>y")],
    [U("weather?"), A("", tool_calls=CALL), {"role": "tool", "content": "{\"t\": 3}"}, {"role": "tool", "content": "ok"}],
    [A("first")],
    [],
]
VARIABLES = [{}, {"add_generation_prompt": False}, {"tools": TOOLS}, {"enable_thinking": False}]


def case(env, source, messages, extra):
    variables = {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": True,
                 "bos_token": "<s>", "eos_token": "</s>", **extra}
    try:
        return {"text": env.from_string(source).render(**variables)}
    except Exception as e:
        return {"error": type(e).__name__}


EXPRESSIONS = (HERE / "expressions.txt").read_text(encoding="utf-8").split("\n====\n")

env = environment()
out = {"now": NOW, "templates": {}, "expressions": []}
for path in sorted(HERE.glob("*.jinja")):
    source = path.read_text(encoding="utf-8")
    out["templates"][path.stem] = [
        {"messages": m, "variables": v, **case(env, source, m, v)} for m in CONVERSATIONS for v in VARIABLES]
for source in EXPRESSIONS:
    out["expressions"].append({"source": source, **case(env, source, CONVERSATIONS[3], {"tools": TOOLS})})
(HERE / "expected.json").write_text(json.dumps(out, ensure_ascii=True, indent=0) + "\n", encoding="utf-8")
