#!/bin/sh
# One audit: writes report.html and report.json beside the settings, and leaves with the audit's exit code.
set -u

audit reconcile --quiet --format json --out report.json.new
code=$?
if [ -s report.json.new ]; then
    mv report.json.new report.json
    run=$(sed -n 's/^"run_id": "\(.*\)",$/\1/p' report.json)
    audit report "$run" --quiet --format html --out report.html || true # the run could not be recorded: no page of it
fi
exit "$code"
