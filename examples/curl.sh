#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The protocol by hand, with curl alone.
#
#     make run                  # in one terminal
#     sh examples/curl.sh       # in another; the server's address may follow
set -eu
url=${1:-localhost:8000}

echo "-- is it ready?"
curl --silent --show-error --fail --output /dev/null --write-out '%{http_code}\n' "$url/v2/health/ready"

echo "-- what does minilm take and give?"
curl --silent --show-error --fail "$url/v2/models/minilm"
echo

echo "-- \"This is an example sentence\" as a vector, in the high class, within 500 ms (priority 1, microseconds)"
curl --silent --show-error --fail --include "$url/v2/models/minilm/infer" --data '{
  "id": "sentence-1",
  "parameters": {"priority": 1, "timeout": 500000},
  "inputs": [
    {"name": "input_ids", "datatype": "INT64", "shape": [1, 7], "data": [101, 2023, 2003, 2019, 2742, 6251, 102]},
    {"name": "attention_mask", "datatype": "INT64", "shape": [1, 7], "data": [1, 1, 1, 1, 1, 1, 1]}
  ]
}' | cut -c 1-300
echo

echo "-- the same within one microsecond: refused at once, with the predicted finish"
curl --silent --show-error "$url/v2/models/minilm/infer" --write-out '\n%{http_code}\n' --data '{
  "parameters": {"timeout": 1},
  "inputs": [
    {"name": "input_ids", "datatype": "INT64", "shape": [1, 3], "data": [101, 2023, 102]},
    {"name": "attention_mask", "datatype": "INT64", "shape": [1, 3], "data": [1, 1, 1]}
  ]
}'
