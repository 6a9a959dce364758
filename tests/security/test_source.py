"""What the package does not do anywhere, read from its source."""

import ast
import re
from pathlib import Path

import pytest

import threadfan

ROOT = Path(threadfan.__file__).parent
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in ROOT.rglob("*.py")}
NODES = {file: list(ast.walk(tree)) for file, tree in TREES.items()}
CALLS = [
    (file, ast.unparse(node.func))
    for file, nodes in NODES.items()
    for node in nodes
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
]


def places(matches):
    """The files with a node that matches."""
    return {file for file, nodes in NODES.items() if any(map(matches, nodes))}


def calls(pattern):
    """The files that call what matches by name."""
    return {file for file, name in CALLS if re.fullmatch(pattern, name)}


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        # Whoever reads a pickle has called `pickle.loads` himself by then: this is what a report puts into it.
        # And what comes from the workers of an executor is one.
        (
            r"(pickle|_pickle|cPickle|dill|cloudpickle|joblib)\.loads?",
            {"_core/base/pickling/packing.py", "_core/fan/over/wire.py"},
        ),
        (r"(pickle|_pickle)\._?Unpickler|_Unpickler|_Mender", {"_core/base/pickling/mending.py"}),
        (r"(marshal|shelve|jsonpickle|numpy|np|torch|pandas)\.(load|loads|open|read_pickle)", set()),
        (r"yaml\.\w+|ruamel\.\w+", set()),
        (r"eval", {"agents/schema.py"}),  # annotations of the user's own functions, as `typing` reads them
        (r"exec", {"cli/program.py"}),  # the program that the user has named
        (r"compile", {"cli/program.py"}),
        (r"os\.(system|popen|exec\w+|spawn\w+|posix_spawnp?)|pty\.spawn|commands\.\w+", set()),
        (r"(tempfile\.)?mktemp|os\.tempnam|os\.tmpnam", set()),
        (r"os\.(umask|chmod|chown|setuid|setgid)", set()),
        (r"(hashlib\.)?(md5|sha1)", set()),
        (r"ssl\._create_unverified_context|ssl\.wrap_socket", set()),
        (r"\w*\.extractall", set()),
        (r"connection\.(load_extension|enable_load_extension)", set()),
    ],
)
def test_what_is_called_nowhere_else(pattern, allowed):
    """Each is in the files that are named here, and in no other."""
    assert calls(pattern) == allowed


def test_no_shell_is_asked_but_by_exec():
    """`threadfan exec` gives a shell the command that the user has typed; nothing else starts one."""
    shells = places(lambda node: isinstance(node, ast.keyword) and node.arg == "shell")
    assert shells <= {"clients/subprocess.py"}  # which hands the user's arguments on
    assert places(lambda node: isinstance(node, ast.Constant) and node.value == "/bin/sh") == {"cli/shell.py"}


def test_no_certificate_is_taken_unseen():
    """Nothing switches the check of certificates off."""
    assert not places(
        lambda node: (
            isinstance(node, ast.keyword)
            and node.arg in ("verify", "check_hostname")
            and isinstance(node.value, ast.Constant)
            and node.value.value is False
        )
    )
    assert not places(lambda node: isinstance(node, ast.Attribute) and node.attr == "CERT_NONE")


def test_who_reads_the_environment():
    """No variable switches anything in the engine; the command takes its key from one."""
    reads = places(lambda node: isinstance(node, ast.Attribute) and node.attr in ("environ", "environb"))
    reads |= calls(r"(os\.)?getenvb?")
    assert reads == {"cli/keys.py", "testing/process.py"}
    keys = {
        node.args[0].value
        for node in NODES["cli/keys.py"]
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.environ.get"
    }
    assert keys == {"ANTHROPIC_API_KEY"}


def test_who_listens():
    """Only the loopback server does, and it names the loopback's address."""
    assert calls(r"\w+\.listen") == {"testing/messages_app.py"}
    hosts = {
        node.value
        for nodes in NODES.values()
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert not hosts & {"0.0.0.0", "::", "::0"}  # noqa: S104


def test_statements_are_made_of_no_text_of_others():
    """What is put into SQL is a name, a number or question marks of the package's own; values go beside it."""
    made = {
        file
        for file, nodes in NODES.items()
        for node in nodes
        if isinstance(node, ast.JoinedStr)
        and re.match(
            r"(?i)\s*(select|insert|update|delete|create|drop|pragma)\b", "".join(
                part.value for part in node.values if isinstance(part, ast.Constant)
            ),
        )
        and (node.values and isinstance(node.values[0], ast.Constant))
    }  # fmt: skip
    assert made == {
        "_core/journal/database.py", "_core/journal/kept.py", "_core/journal/looking_up.py",
        "_core/journal/planning.py", "_core/limits/in_file.py", "cli/dry_run.py",
    }  # fmt: skip


def test_each_exception_to_the_rules_of_bandits_has_its_reason():
    """Ruff's rules of bandit's are on; what is excepted says why, in its line."""
    bare = [
        f"{path.name}:{number}"
        for path in ROOT.rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"noqa: (\w+, ?)*S\d+", line) and " -- " not in line
    ]
    assert bare == []
