#!/usr/bin/env python3
"""Checks what no compiler does: which layer includes which, that family names stay where families live, and sizes.

    tools/check_layers.py [SRC]      SRC: the folder of layers (default: src beside this script's folder)

Prints `file:line: what is wrong` for every fault and fails when there is one. A file that has to break a size limit
says so, with the reason, in its first comment: `Size: one row per Unicode range.`
"""
import pathlib
import re
import sys

# Layer -> what it may include besides itself, the public headers and the standard library. docs/architecture.md.
ALLOWED = {
    "core": "",
    "media": "core",
    "text": "core",
    "weights": "core mlx",
    "kernels": "core mlx",
    "memory": "core",
    "nn": "core weights kernels mlx",
    "backbones": "core weights nn mlx",
    "processing": "core media text",
    "models": "core weights nn backbones processing memory mlx",
    "engine": "core kernels nn models processing text memory mlx",
    "api": "core engine memory",
    "server": "core",
    "cli": "core",
}
KNOWS_FAMILIES = {"backbones", "models", "processing"}

FILE_LINES, HEADER_LINES, FUNCTION_LINES, PARAMETERS = 500, 200, 60, 6
SIZED_FOLDERS = ["src", "include", "rust", "tests", "bench", "examples", "tools", "scripts", "cmake"]
CPP, RUST = {".h", ".cpp"}, {".rs"}
SIZED = CPP | RUST | {".py", ".sh", ".cmake"}
SKIPPED = {"target", "build", "__pycache__"}  # what tools write

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([\w+]+)/', re.MULTILINE)
# Comments, raw strings, strings and characters, in the order in which one may hide another.
HIDDEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.[^\']{0,8}|[^\'\\\n])\'', re.DOTALL)
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"((?:\\.|[^"\\\n])*)"', re.DOTALL)
CONTAINER = re.compile(r'\b(?:namespace|class|struct|union|enum|extern|impl|trait|mod)\b')
SCOPE = re.compile(r'[{};]')


def blanked(text):
    """The text with comments and literals replaced by spaces, so that lines and columns stay."""
    return HIDDEN.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def files(root, folders, suffixes):
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            parts = set(path.relative_to(root).parts)
            if path.suffix in suffixes and path.is_file() and not parts & SKIPPED:
                yield path


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def check_includes(src):
    for path in files(src, [""], CPP):
        layer = path.relative_to(src).parts[0]
        if layer not in ALLOWED:
            yield path, 1, f"'{layer}' is not a known layer; known: {' '.join(ALLOWED)}"
            continue
        allowed = {layer, *ALLOWED[layer].split()}
        text = path.read_text()
        for match in INCLUDE.finditer(text):
            target = match[1]
            if target not in allowed and (target == "mlx" or target in ALLOWED):
                yield path, line_of(text, match.start()), f"{layer} may not include {target}"


def family_names(src):
    """The literals that name families: Family::model_type and the arrays of aliases."""
    names = set()
    for path in files(src, ["models"], CPP):
        text = path.read_text()
        names.update(re.findall(r'\.model_type\s*=\s*"([^"]+)"', text))
        for aliases in re.findall(r'[aA]lias\w*(?:\[\]|>)?\s*=?\s*\{([^}]*)\}', text):
            names.update(re.findall(r'"([^"]+)"', aliases))
    return names


def check_families(src):
    names = family_names(src)
    for path in files(src, [""], CPP):
        if path.relative_to(src).parts[0] in KNOWS_FAMILIES:
            continue
        text = path.read_text()
        for match in COMMENT_OR_STRING.finditer(text):
            if match[1] in names:
                yield path, line_of(text, match.start()), f'the family name "{match[1]}" belongs in models or backbones'


def parameter_count(header):
    """Parameters in the first parenthesis of a function's header that is its parameter list; 0 when unsure."""
    start = header.find("(")
    depth, commas, some = 0, 0, False
    for char in header[start:]:
        if char in "([{<":
            depth += 1
        elif char in ")]}>":
            depth -= 1
            if depth == 0:
                break
        elif char == "," and depth == 1:
            commas, some = commas + some, False
        elif not char.isspace():
            some = True
    return commas + some


def functions(text):
    """(first line, lines, parameters) of each function that stands at namespace, class or module level."""
    text = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.)*", lambda m: re.sub(r"[^\n]", " ", m[0]), blanked(text), flags=re.M | re.S)
    stack, begin = [], 0  # of (is a container, where its header begins, header)
    for match in SCOPE.finditer(text):
        if match[0] == "{":
            header = text[begin:match.start()]
            signature = re.sub(r"template\s*<[^{]*?>\s*(?=\w)", "", header).strip()
            inside = all(container for container, _, _ in stack)
            is_function = "(" in signature and not re.match(r"(?:\w+\s+)*?(?:class|struct|enum|union|namespace)\b", signature)
            stack.append((inside and not is_function and bool(CONTAINER.search(signature)),
                          begin + len(header) - len(header.lstrip()) if inside and is_function else None, signature))
        elif match[0] == "}" and stack:
            _, start, header = stack.pop()
            if start is not None:
                first = line_of(text, start)
                yield first, line_of(text, match.start()) - first + 1, parameter_count(header)
        begin = match.end()


def is_exempt(text):
    """Whether the first comment gives the reason for an unusual size."""
    first = re.search(r'(?:^[ \t]*(?://|#)[^\n]*\n)+|/\*.*?\*/|""".*?"""', text, re.MULTILINE | re.DOTALL)
    return bool(first and re.search(r"\bSize: \S", first[0]))


def check_sizes(root):
    for path in files(root, SIZED_FOLDERS, SIZED):
        text = path.read_text()
        if is_exempt(text):
            continue
        limit = HEADER_LINES if path.suffix == ".h" else FILE_LINES
        if (lines := text.count("\n")) > limit:
            yield path, 1, f"{lines} lines, at most {limit}"
        if path.suffix not in CPP | RUST:
            continue
        for line, length, parameters in functions(text):
            if length > FUNCTION_LINES:
                yield path, line, f"function of {length} lines, at most {FUNCTION_LINES}"
            if parameters > PARAMETERS:
                yield path, line, f"function of {parameters} parameters, at most {PARAMETERS}; use a struct"


def main():
    src = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "src").resolve()
    if not src.is_dir():
        sys.exit(f"{src}: expected the folder of layers")
    faults = [*check_includes(src), *check_families(src), *check_sizes(src.parent)]
    for path, line, what in faults:
        print(f"{path.relative_to(src.parent)}:{line}: {what}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
