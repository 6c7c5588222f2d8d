"""The language rules: forbidden words, lengths of sentences, and docstrings that name shapes.

The rules are those of CONTRIBUTING.md. They read text only and import nothing of the package.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

Violation = tuple[int, str, str]

MAX_OPENER = 100
MAX_SUMMARY_WORDS = 12
MAX_SENTENCE_WORDS = 25

RIDDLE = re.compile(r"(What|Whether|How|Which|Where|Why|Everything)\b")
FRAGMENT = re.compile(r"(Of the \w+\.|Of \w+ \w+\.|As for |So for |What came )")
HOLDERS = frozenset({"found", "given", "wanted", "made", "seen", "said", "asked"})

# word or phrase -> what to write instead; matched in prose, case as written unless (?i)
WORDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), instead)
    for pattern, instead in (
        (r"(?i)\b(told|tell|tells|telling)\b", "say, report, print, distinguish"),
        (r"(?i)\bbeside\b", "next to, in addition to"),
        (r"(?i)\bof then\b", "say when"),
        (r"(?i)\bso many\b", "say how many"),
        (r"(?i)(?<!leave )(?<!leaves )(?<!left )(?<!let )(?<!stand )(?<!stands )(?<!it )(?<!them )\balone\b", "only"),
        (r"(?i)\b(hang|hangs|hung|hanging) together\b", "connected"),
        (r"(?i)\bas they come\b", "say what is meant"),
        (r"(?i)\b(came|come|comes) of (it|them|that)\b", "result"),
        (r"(?i)\b(what|that) (came|comes|come) of\b", "result"),
        (r"(?i)\b(is|are|was|were) to be\b", "must, will, should"),
        (r"(?i)\bwhat it is\b", "say it in a noun"),
        (r"(?i)\bquicken(s|ed|ing)?\b", "optimise, speed up"),
        (r"(?i)(?<!fine-)(?<!fine_)(?<!fine )\btuned\b", "with options"),
        (r"(?i)\bsaid\b", "configured, stated"),
        (r"\b(learn|learns|learned|learnt|learning|teach|teaches|taught|teaching)\b(?!.rate)", "train"),
        (r"(?i)\bphotograph(s|ed|ic|y)?\b", "image"),
        (r"(?i)\bpictures?\b", "image, figure, plot, overlay"),
        (r"(?i)\btruths?\b(?! value)", "true mask"),
        (r"(?i)\bheatmaps?\b", "probability"),
    )
)
LEARNING_TERMS = re.compile(r"(?i)(deep|machine|transfer|federated)[ -]learning|scikit-learn|learning[ _-]rates?")
JUDGE = re.compile(r"(?i)(?<!cannot )(?<!cannot_)(?<!cannot-)\b(judge|judges|judged|judging)\b")
TILING = (
    (re.compile(r"(?<!sliding )(?<!sliding-)\bwindows?\b(?! function)"), "tile, patch"),
    (re.compile(r"(?i)\bchunks?\b"), "tile, patch, part"),
)
SLICE = (re.compile(r"(?i)\bslices?\b(?!\()(?! object)"), "tile, patch, part")
OVERLAP = (re.compile(r"(?i)\b(overlap(?!.tile)|halos?)\b"), "context")
NAME_WORDS = {
    "told": "reported", "tell": "report", "tells": "report", "telling": "reporting", "beside": "next to",
    "quicken": "optimise", "tuned": "with_options", "said": "a noun", "learn": "train", "learns": "train",
    "learned": "train", "learnt": "train", "teach": "train", "photograph": "image", "photographs": "image",
    "picture": "image, figure, overlay", "pictures": "image, figure, overlay", "truth": "true_mask",
    "truths": "true_masks", "heatmap": "probability", "chunk": "tile, patch", "chunks": "tiles",
}  # fmt: skip

SHAPE = re.compile(
    r"\((?:\.\.\.|[A-Za-z]|[A-Z]\w{0,5}|\d+)(?:\s*[-+*/]\s*\w+)*,"
    r"(?:\s*(?:\.\.\.|[A-Za-z_]\w*|\d+)(?:\s*[-+*/]+\s*\w+)*,?)*\)|\(\)|\bscalar\b"
    r"|(?i:\b(any|same|its|equal|this|whatever) shape\b)"
)
NAMED_TENSORS = re.compile(r"(dict|Dict|Mapping|Iterable\[tuple)\[str, [^\]]*\]+")
ARRAY = re.compile(r"\b(NDArray|Tensor|ndarray|ArrayLike)\b")
COMMANDS = (">>>", "...", "|", "#", "$ ", "<", "![", "python ", "crackseg ", "pip ", "--", "[--", "docker ")
SECTION = re.compile(r"(Args|Returns|Raises|Attributes|Yields|Source|Example|Examples|Note|Notes|Warns):\s*$")


def words_in(text: str) -> int:
    return len([word for word in re.sub(r"``[^`]*``|`[^`]*`", "code", text).split() if re.search(r"\w", word)])


def prose_violations(text: str, path: str) -> Iterator[tuple[int, str]]:
    """Yield (offset of the line, message) for each forbidden word of a text."""
    in_source = False
    for offset, line in enumerate(text.split("\n")):
        section = SECTION.match(line.strip())
        in_source = bool(section and section[1] == "Source") or (in_source and bool(line.strip()) and not section)
        if in_source:
            continue
        plain = LEARNING_TERMS.sub("", line)
        for pattern, instead in (*WORDS, *place_rules(path)):
            for match in pattern.finditer(plain):
                yield offset, f"'{match[0]}': {instead}"


def place_rules(path: str) -> Iterator[tuple[re.Pattern[str], str]]:
    if "inspect" not in path and "limits" not in path:
        yield JUDGE, "say what is decided (verdicts only in inspection)"
    if "png" not in path and "tiff" not in path:
        yield from TILING
    if any(part in path for part in ("prediction/", "runtimes/", "networks/", "predict", "performance")):
        yield OVERLAP


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line offset, sentence) of the prose of a docstring or Markdown text."""
    block: list[str] = []
    start = 0
    indent = 0
    fenced = source = False
    last_entry = False

    def flush() -> Iterator[tuple[int, str]]:
        joined = " ".join(block)
        for sentence in re.split(r"(?<=[.!?:])[\"')`*]*\s+", joined):
            yield start, sentence

    for offset, line in enumerate([*text.split("\n"), ""]):
        stripped = line.strip()
        if stripped.startswith("```"):
            fenced = not fenced
            stripped = ""
        section = SECTION.match(stripped)
        source = bool(section and section[1] == "Source") or (source and not section and bool(stripped))
        skip = fenced or source or section or stripped.startswith(COMMANDS)
        level = len(line) - len(line.lstrip())
        entry = re.match(r"([-*] |\d+\. |[\w`*, ]{1,40}: )", stripped)
        if not stripped or skip or entry or (block and level < indent and last_entry) or (block and level > indent + 4):
            if block:
                yield from flush()
            block = []
        if stripped and not skip:
            if not block:
                start, indent, last_entry = offset, level, bool(entry)
            block.append(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", stripped))


def sentence_violations(text: str) -> Iterator[tuple[int, str]]:
    for offset, sentence in sentences(text):
        count = words_in(sentence)
        if count > MAX_SENTENCE_WORDS:
            yield offset, f"sentence of {count} words: {sentence[:70]}..."
        if FRAGMENT.match(sentence):
            yield offset, f"fragment: {sentence[:60]}"


# Python


def docstring_nodes(tree: ast.Module) -> Iterator[tuple[ast.AST | None, ast.Constant]]:
    """Yield each docstring with the node that it describes (None for an attribute docstring)."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for index, item in enumerate(node.body):
            if (
                isinstance(item, ast.Expr)
                and isinstance(item.value, ast.Constant)
                and isinstance(item.value.value, str)
            ):
                yield (node if index == 0 else None), item.value


def docstring_violations(tree: ast.Module) -> Iterator[Violation]:
    for owner, constant in docstring_nodes(tree):
        text, line = str(constant.value), constant.lineno
        first = text.strip().split("\n")[0].strip()
        if RIDDLE.match(first) and not first.startswith(("Where possible", "How to")):
            yield line, "opener", f"opens with a riddle word: {first[:70]}"
        if isinstance(owner, ast.Module) and len(first) > MAX_OPENER:
            yield line, "opener", f"{len(first)} characters, at most {MAX_OPENER}: {first[:70]}..."
        if isinstance(owner, (ast.FunctionDef, ast.AsyncFunctionDef)):
            summary = re.split(r"(?<=[.!?])\s", first)[0]
            if words_in(summary) > MAX_SUMMARY_WORDS:
                yield line, "summary", f"{words_in(summary)} words, at most {MAX_SUMMARY_WORDS}: {summary[:80]}"
        for offset, message in sentence_violations(text):
            yield line + offset, "sentence", message


def string_violations(tree: ast.Module, path: str) -> Iterator[Violation]:
    docstrings = {id(constant) for _, constant in docstring_nodes(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            prose = id(node) in docstrings or " " in node.value.strip()
            if not prose:
                continue
            for offset, message in prose_violations(node.value, path):
                yield node.lineno + (offset if id(node) in docstrings else 0), "word", message
            if id(node) in docstrings and SLICE[0].search(re.sub(r"`[^`]*`", "", node.value)):
                yield node.lineno, "word", f"'slice': {SLICE[1]}"


def comment_violations(source: str, path: str) -> Iterator[Violation]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            for _, message in prose_violations(token.string, path):
                yield token.start[0], "word", message


def defined_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname


def name_violations(tree: ast.Module, path: str) -> Iterator[Violation]:
    for line, name in defined_names(tree):
        if name.strip("_") in HOLDERS:
            yield line, "name", f"variable '{name}': a noun that says what it holds"
        parts = [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
        if name.startswith("test_"):
            for _, message in prose_violations(" ".join(parts), path):
                yield line, "name", f"test name: {message}"
            continue
        chunked = "png" in path or "tiff" in path
        for part in parts:
            if part in NAME_WORDS and not (chunked and part.startswith("chunk")):
                yield line, "name", f"'{part}' in '{name}': {NAME_WORDS[part]}"


def holds_array(*annotations: ast.expr | None) -> bool:
    return any(
        annotation is not None and ARRAY.search(NAMED_TENSORS.sub("", ast.unparse(annotation)))
        for annotation in annotations
    )


def public_definitions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
            if "overload" in decorators or ".setter" in decorators:
                continue
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body)


def array_definitions(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, str]]:
    """Yield each public definition that takes, returns or holds an array, with its documentation."""
    for node in public_definitions(tree.body):
        text = ast.get_docstring(node) or ""
        if isinstance(node, ast.ClassDef):
            fields = [item.annotation for item in node.body if isinstance(item, ast.AnnAssign)]
            documents = [
                item.value.value
                for item in node.body
                if isinstance(item, ast.Expr)
                and isinstance(item.value, ast.Constant)
                and isinstance(item.value.value, str)
            ]
            if holds_array(*fields):
                yield node, " ".join([text, *documents])
        else:
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            if holds_array(node.returns, *(argument.annotation for argument in arguments)):
                yield node, text


def shape_violations(tree: ast.Module) -> Iterator[Violation]:
    for node, text in array_definitions(tree):
        if not SHAPE.search(text):
            yield node.lineno, "shape", f"{node.name} takes, returns or holds an array, its docstring names no shape"


def place_of(path: Path) -> str:
    """Return a path relative to the project that holds it; some words are right in some places only."""
    for folder in path.parents:
        if (folder / "pyproject.toml").exists():
            return path.relative_to(folder).as_posix()
    return path.name


def python_violations(path: Path) -> Iterator[Violation]:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    place = place_of(path)
    yield from docstring_violations(tree)
    yield from string_violations(tree, place)
    yield from comment_violations(source, place)
    yield from name_violations(tree, place)
    if not place.startswith(("tests", "benchmarks", "experiments", ".ci")):
        yield from shape_violations(tree)


def markdown_violations(path: Path) -> Iterator[Violation]:
    text = path.read_text(encoding="utf-8")
    fenced = False
    lines = []
    for line in text.split("\n"):
        fenced ^= line.startswith("```")
        lines.append("" if fenced or line.startswith("```") else re.sub(r"\]\([^)]*\)|`[^`]*`", "", line))
    for offset, message in prose_violations("\n".join(lines), place_of(path)):
        yield offset + 1, "word", message
    for offset, message in sentence_violations(text):
        yield offset + 1, "sentence", message


def violations(path: Path) -> list[Violation]:
    """Return the violations of one Python or Markdown file, by line."""
    return sorted(set(python_violations(path) if path.suffix == ".py" else markdown_violations(path)))
