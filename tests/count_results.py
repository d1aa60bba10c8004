# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts what ctest's JUnit report says: prints "passed failed skipped". A doctest program counts with each of its test
cases, everything else as one. Skipped is whatever did not run, doctest's own skips included."""
import re
import sys
import xml.etree.ElementTree as ET

DOCTEST = re.compile(r"\[doctest\] test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed \|\s*(\d+) skipped")


def counts(test):
    """(passed, failed, skipped) of one <testcase>."""
    status = test.get("status")
    inner = DOCTEST.search(test.findtext("system-out") or "")
    if status == "fail":
        return (int(inner[1]), max(1, int(inner[2])), int(inner[3])) if inner else (0, 1, 0)
    if status != "run":
        return 0, 0, 1
    return (int(inner[1]), int(inner[2]), int(inner[3])) if inner else (1, 0, 0)


def main():
    tests = [counts(test) for test in ET.parse(sys.argv[1]).iter("testcase")]
    if not tests:
        sys.exit("no test has run")
    print(*map(sum, zip(*tests)))


main()
