#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Forged VARP requests to a server that answers by XDP: test_forged.sh says what.
# timeout: 600
exec "$(dirname "$0")/test_forged.sh" secure xdp
