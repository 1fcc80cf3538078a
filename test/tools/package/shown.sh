# SPDX-License-Identifier: MIT
# Sourced: commands that are shown with what they print, and checks that are counted.
passed=0 failed=0

show() { # command line: run and shown; its output stays in /try/output
  echo "# $*"
  bash -c "$*" 2>&1 | tee /try/output | sed 's/^/    /'
  return "${PIPESTATUS[0]}"
}

check() { # what, status
  if [ "$2" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "not ok - $1"; fi
}

printed() { # what, regular expression that a line of the last output has to match
  grep -qE -- "$2" /try/output
  check "$1: no line with $2" $?
}

finish() { # the last line, and the status
  echo "$passed passed, $failed failed"
  [ $failed = 0 ]
}
