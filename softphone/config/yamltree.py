"""YAML text -> plain data, plus the line of every key and value.

Reads the core schema of YAML 1.2, so that what people type stays what they typed: `off` and `yes` are text (the
model knows where text means a boolean), `0660` and `0901` keep their zero, `+336...` keeps its plus, and `12:30` is not
a number. Anchors, aliases and merge keys (`<<: *base`) work; aliases that would blow up are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from softphone.errors import ConfigError

Path = tuple[str | int, ...]

MAX_VALUES = 100_000
MAX_DEPTH = 32

_INT = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_PREFIX = "tag:yaml.org,2002:"
_TEXT_TAG = _PREFIX + "str"
_KINDS = ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "map", "seq")
_TAGS = frozenset(_PREFIX + kind for kind in _KINDS)
_QUOTED = re.compile(r"'[^']*'")
_QUOTE_HINT = "text that begins with a character YAML uses itself (* & ! % @ `) needs quotes"


@dataclass
class Tree:
    """`data` is made of dict, list, str, int, float, bool and None. Lines count from 1."""

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[ConfigError] = field(default_factory=list)

    def line_of(self, path: Path) -> int | None:
        """The line of the key or item at `path`, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


def dotted(path: Path) -> str:
    """`("accounts", 0, "tls")` -> `accounts[0].tls`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def fastest_loader() -> Any:
    """The parser written in C, about ten times as fast, where PyYAML was built with it."""
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(text: str, loader: Any = None) -> Tree:
    """Never raises for bad input: what is wrong stands in `problems`, each with its line and key."""
    tree = Tree()
    try:
        root = _compose(text, loader or fastest_loader())
    except yaml.MarkedYAMLError as error:
        tree.problems.append(_syntax_problem(error))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        tree.problems.append(ConfigError(f"character {error.character!r} is not allowed in YAML", line=line))
    except ConfigError as error:
        tree.problems.append(error)
    else:
        _Builder(tree).run(root)
    return tree


def _compose(text: str, loader: Any) -> Node | None:
    """The composer recurses for each level, and the one in C would end the process: so depth is judged first."""
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            mark = event.start_mark
            raise ConfigError(f"nested deeper than {MAX_DEPTH} levels", line=mark.line + 1 if mark else None)
    root: Node | None = yaml.compose(text, Loader=loader)
    return root


def _syntax_problem(error: yaml.MarkedYAMLError) -> ConfigError:
    """Only the kind of the mistake: PyYAML's own text may quote the line, and with it a secret."""
    problem = error.problem or "not valid"
    if "alias" in problem:
        message = f"an alias (*name) without its anchor (&name); {_QUOTE_HINT}"
    elif "cannot start any token" in problem:
        tab = "'\\t'" in problem
        message = "a tab; indent with spaces" if tab else f"unexpected character; {_QUOTE_HINT}"
    else:
        message = "YAML syntax: " + " ".join(_QUOTED.sub(_harmless, part) for part in (error.context, problem) if part)
    mark = error.problem_mark or error.context_mark
    return ConfigError(message, line=mark.line + 1 if mark else None)


def _harmless(match: re.Match[str]) -> str:
    """Keeps quoted punctuation and PyYAML's token names ('<block end>', ':'); hides the user's text."""
    quoted = match.group()
    return quoted if re.fullmatch(r"'(<[a-z -]+>|[^\w\s])'", quoted) else "this text"


class _Builder:
    """Walks the node tree once, noting lines, duplicates and what is too deep or too much."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._left = MAX_VALUES

    def run(self, root: Node | None) -> None:
        self._tree.lines[()] = 1
        try:
            self._tree.data = None if root is None else self._value(root, ())
        except ConfigError as error:
            self._tree.problems.append(error)

    def _value(self, node: Node, path: Path) -> Any:
        self._left -= 1
        if self._left < 0:
            raise self._error(f"more than {MAX_VALUES} values (aliases count each time they are used)", node)
        if len(path) > MAX_DEPTH:
            raise self._error(f"nested deeper than {MAX_DEPTH} levels (an alias inside its own anchor?)", node)
        self._tree.lines.setdefault(path, node.start_mark.line + 1)
        if node.tag not in _TAGS:
            self._problem(f"tags (!name) mean nothing here; {_QUOTE_HINT}", node, path)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        if not isinstance(node, ScalarNode):
            raise self._error("neither text, list nor mapping", node)
        return self._scalar(node)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key == "<<" and not key_node.style:
                merged.append(value_node)
            elif key in data:
                self._duplicate(key_node, (*path, key))
            elif key is not None:
                self._tree.lines[(*path, key)] = key_node.start_mark.line + 1
                data[key] = self._value(value_node, (*path, key))
        for value_node in merged:
            self._merge(value_node, path, data)
        return data

    def _merge(self, node: Node, path: Path, data: dict[str, Any]) -> None:
        """`<<: *base` or `<<: [*a, *b]`: keys that are written out win over merged ones, earlier over later."""
        for source in node.value if isinstance(node, SequenceNode) else [node]:
            if not isinstance(source, MappingNode):
                self._problem("`<<` takes a mapping, usually an alias (<<: *base)", node, path)
                continue
            pairs = [(k, v) for k, v in source.value if isinstance(k, ScalarNode) and k.value not in data]
            data.update(self._mapping(MappingNode(source.tag, pairs, source.start_mark), path))

    def _key(self, node: Node, path: Path) -> str | None:
        if isinstance(node, ScalarNode) and node.value:
            return str(node.value)
        self._problem("a key must be plain text", node, path)
        return None

    def _duplicate(self, node: Node, path: Path) -> None:
        first = self._tree.lines.get(path)
        self._problem(f"written twice; first at line {first}", node, path)

    def _scalar(self, node: ScalarNode) -> Any:
        value: str = node.value
        # A style is set for quoted and block text; the text tag on a bare word comes from `!!str`
        if node.style or node.tag == _TEXT_TAG:
            return value
        if value in _WORDS:
            return _WORDS[value]
        if _INT.fullmatch(value):
            return int(value)
        return float(value) if _FLOAT.fullmatch(value) else value

    def _problem(self, message: str, node: Node, path: Path) -> None:
        self._tree.problems.append(self._error(message, node, path))

    def _error(self, message: str, node: Node, path: Path = ()) -> ConfigError:
        return ConfigError(message, line=node.start_mark.line + 1, key=dotted(path))
