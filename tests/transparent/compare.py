#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""compare.py ONE TWO THROUGH: three recordings of the same scripts; exit 1 if the third shows anything
that the difference between the first two does not explain. Prints each such place, then one line of
numbers."""
import difflib
import sys


def read(path):
    """Name of a script → its lines."""
    scripts, lines = {}, []
    with open(path, "rb") as f:
        for line in f.read().split(b"\n"):
            if line.startswith(b"@@@@ "):
                lines = scripts.setdefault(line[5:].decode(), [])
            else:
                lines.append(line)
    return scripts


def differences(a, b):
    """Places where b differs from a, as (from, to) in a and in b."""
    if a == b:
        return []
    if len(a) == len(b):  # cheap, and what noise looks like
        return [(i, i + 1, i, i + 1) for i in range(len(a)) if a[i] != b[i]]
    return [op[1:] for op in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes() if op[0] != "equal"]


def main():
    one, two, through = (read(p) for p in sys.argv[1:4])
    n_lines = n_noise = n_bad = 0
    if list(one) != list(two) or list(one) != list(through):
        print("the recordings are not of the same scripts:", len(one), len(two), len(through))
        return 1
    for name, a in one.items():
        noise = {i for f, t, _, _ in differences(a, two[name]) for i in range(f, max(t, f + 1))}
        n_lines += len(a)
        n_noise += len(noise)
        for f, t, bf, bt in differences(a, through[name]):
            if all(i in noise for i in range(f, max(t, f + 1))):
                continue
            n_bad += 1
            print(f"== {name}, line {f + 1}")
            for line in a[max(f - 3, 0):f]:
                print("  ", line.decode("utf8", "replace"))
            for line in a[f:t]:
                print("  -", line.decode("utf8", "replace"))
            for line in through[name][bf:bt]:
                print("  +", line.decode("utf8", "replace"))
    print(f"regress: {len(one)} scripts, {n_lines} lines, {n_noise} of them noise, {n_bad} places differ through holdfast")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
