#!/bin/sh
# One audit: writes report.html and report.json beside the settings, and leaves with the audit's exit code.
set -u

audit reconcile --quiet --format json --out report.json
code=$?
if [ -s report.json ]; then
    audit report --quiet --format html --out report.html
fi
exit "$code"
