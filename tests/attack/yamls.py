"""YAML that stands for more, or for something else, than it looks like."""

from __future__ import annotations

from collections.abc import Iterator

from tests.attack import Attack, files


def laughs(wide: int, deep: int) -> str:
    """Lists of lists of lists, by aliases."""
    lines = [f"a0: &a0 [{','.join('x' * wide)}]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * wide)}]" for n in range(1, deep)]
    return "\n".join(lines) + "\n"


TEXTS = {
    "laughs": laughs(9, 9),
    "many laughs": laughs(2, 30),
    "in a key": laughs(9, 9) + "training: {max_steps: *a8}\n",
    "by merging": "a: &a {x: 1}\n" + "\n".join(f"b{n}: &b{n} {{<<: [{','.join(['*a'] * 50)}]}}" for n in range(200)),
    "in itself": "training: &a {max_steps: *a}\n",
    "a list in itself": "training: &a [*a]\n",
    "deep": "[" * 100_000,
    "deep maps": "{a: " * 5_000,
    "deep lines": "".join(f"{' ' * n}a:\n" for n in range(1_000)),
    "wide": "training: [" + "1," * 200_000 + "1]\n",
    "long": "training: {max_steps: " + "9" * 900_000 + "}\n",
    "too long": "# " + "x" * 2**21,
    "a long key": "k" * 100_000 + ": 1\n",
    "a long key of a section": "training: {" + "k" * 1_000 + ": 1}\n",
    "large number": "training: {max_steps: 1e400}\n",
    "larger number": "training: {max_steps: " + "1" * 5_000 + "}\n",
    "sixties": "training: {max_steps: 1" + ":59" * 2_000 + "}\n",
    "no date": "training: {max_steps: 2024-99-99}\n",
    "a date": "training: {max_steps: 2024-01-01}\n",
    "python": "training: !!python/object/apply:os.system ['touch owned']\n",
    "a python name": "training: {max_steps: !!python/name:os.system }\n",
    "binary": "training: {max_steps: !!binary AAAA}\n",
    "no bool": "training: {max_steps: !!bool perhaps}\n",
    "no number": "training: {max_steps: !!int ten}\n",
    "no timestamp": "training: {max_steps: !!timestamp soon}\n",
    "a set": "training: !!set {max_steps, seed}\n",
    "pairs": "training: !!pairs [a: 1, a: 2]\n",
    "an ordered map": "training: !!omap [max_steps: 1]\n",
    "numbers as keys": "1: 2\n",
    "nothing as a key": "~: 2\n",
    "a key of a section that is a number": "training: {1: 2}\n",
    "a list as a key": "? [a, b]\n: 1\n",
    "a date as a key": "2024-01-01: 1\n",
    "twice": "training: {max_steps: 1, max_steps: 2}\n",
    "two documents": "training: {}\n---\ntraining: {}\n",
    "a list": "- training\n",
    "a text": "training\n",
    "tabs": "training:\n\tmax_steps: 1\n",
    "no utf-8": "training: {max_steps: \udcff}\n",
    "zero bytes": "training: {max_steps: \0}\n",
    "escapes": 'training: {max_steps: "\\e]0;owned\\a"}\n',
    "escapes in a key": '"\\e]0;owned\\a": 1\n',
    "escapes in a key of a section": 'training: {"\\e[2J": 1}\n',
    "turned": 'training: {max_steps: "\\u202e1"}\n',
    "raw escapes": "training: {max_steps: \x1b[2J}\n",
    "base of itself": "base: IN/config.yaml\n",
    "base of a list": "base: [demo, demo]\n",
    "base of a number": "base: 1\n",
    "base of a device": "base: /dev/zero\n",
    "base of a password": "base: /etc/passwd\n",
    "an unknown alias": "training: *gone\n",
    "anchors": "&a " * 20_000,
    "nothing but a tag": "!",
    "not a number": "training: {learning_rate: .nan}\n",
    "infinite": "training: {max_steps: .inf}\n",
    "sections that are none": "training: 5\ndata: []\nnetwork: ~\nmethod: ''\n",
    "a name that is none": "network: {name: [unet]}\n",
    "a name that is a map": "network: {name: {a: 1}}\n",
    "a name that is a number": "method: {name: 5}\n",
    "no name": "network: {name: ~}\n",
    "a long name": "network: {name: " + "u" * 50_000 + "}\n",
}


def yamls() -> Iterator[Attack]:
    """As a configuration, and as an override."""
    for name, text in TEXTS.items():
        data = text.encode("utf-8", "surrogateescape")
        harmless = name in ("twice", "sixties", "nothing but a tag", "sections that are none")
        yield Attack(name, files(config__yaml=data), ("config", "check", "IN/config.yaml"), harmless=harmless)
        call = ("config", "show", "demo", "--set", f"training.max_steps={text[:100_000]}")
        yield Attack(f"{name}, by hand", lambda folder: None, call, harmless=name == "sixties")
