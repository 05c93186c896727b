#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# varpctl psk and pki: what they write, with which permissions, what they refuse, and that openssl agrees with it.
. "$(dirname "$0")/../lib.sh"

cd "$TMP" || exit 1
umask 000
mode() { stat -c %a "$1"; }
# what others may do with a secret: nothing
closed() { local m; m=$(mode "$1"); [ "${m: -1}" = 0 ] && [ "${m: -2:1}" != 2 ] && [ "${m: -2:1}" != 6 ] && [ "${m: -2:1}" != 7 ]; }
pki() { "$VARPCTL" pki "$@"; }
psk() { "$VARPCTL" psk "$@"; }
snid=0x00000000000000000010

# --- psk -------------------------------------------------------------------------------------------------------------------

status_is "psk new" 0 psk new 0x10 dir host
like "prints the key and where it is" "$OUT" "^[0-9a-f]{64}.*host/psk/$snid.psk"
check "nobody else may read the file" closed host/psk/$snid.psk
first=$(cat host/psk/$snid.psk)
status_is "a second time it refuses" 2 psk new 0x10 dir host
is "and changes nothing" "$(cat host/psk/$snid.psk)" "$first"
status_is "unless forced" 0 psk new 0x10 dir host --force
check "the key is another one then" test "$(cat host/psk/$snid.psk)" != "$first"
check "and as closed" closed host/psk/$snid.psk
is "nothing else is left in the directory" "$(ls host/psk)" "$snid.psk"
is "as JSON" "$(psk new 0x11 dir host -j 2>/dev/null | jq -r '"\(.snid) \(.file) \(.key | length)"')" \
	"0x00000000000000000011 host/psk/0x00000000000000000011.psk 64"
status_is "psk add takes a key from standard input" 0 psk add 0x10 dir other <<<"$first"
is "as it is" "$(cat other/psk/$snid.psk)" "$first"
check "and keeps it closed" closed other/psk/$snid.psk
type_key() { wait_for 5 grep -q "not shown" "$TMP/terminal" && sleep 1 && echo "$first"; }
type_key | script -qec "'$VARPCTL' psk add 0x13 dir other" /dev/null >"$TMP/terminal"
like "at a terminal it asks" "$(cat "$TMP/terminal")" "Key of 0x13 .not shown.: "
check "does not show what is typed" test "$(grep -c "$first" "$TMP/terminal")" = 0
is "and takes it" "$(cat other/psk/0x00000000000000000013.psk)" "$first"
# typed TEXT [WORD...]: psk add at a terminal where that line is typed once it asks; exit status and what it says last
typed() {
	local text=$1
	shift
	: >"$TMP/terminal"
	{ wait_for 5 grep -q "not shown" "$TMP/terminal" && sleep 1 && echo "$text"; } |
		script -qec "'$VARPCTL' psk add $* dir other" /dev/null >"$TMP/terminal"
	echo "$? $(tail -n 1 "$TMP/terminal" | tr -d '\r')"
}
like "an empty line there" "$(typed "" 0x14)" "^1 .*no key was given"
like "a line that is far too long" "$(typed "$(printf '%0300d' 1)" 0x14)" "^1 .*not a key of 64 hex digits"
like "zeros alone" "$(typed "$(printf '%064d' 0)" 0x14)" "^1 .*a key of zeros alone is no secret"
check "none of them is stored" test ! -e other/psk/0x00000000000000000014.psk
status_is "one that is there already is refused before a key is read" 2 psk add 0x13 dir other </dev/null
like "and says so" "$OUT" "is there already: --force replaces it"
status_is "unless forced" 0 psk add 0x13 dir other --force <<<"$first"
status_is "without a line no key was given" 1 psk add 0x14 dir other </dev/null
like "and says so" "$OUT" "no key was given"
status_is "psk add refuses what is no key" 1 psk add 0x12 dir other <<<"secret"
check "and writes nothing" test ! -e other/psk/0x00000000000000000012.psk
status_is "psk new wants a supernet" 1 psk new 10 dir host
status_is "psk new knows no other words" 1 psk new 0x10 into host
# root who has to mind permissions
minding() { setpriv --bounding-set=-dac_override,-dac_read_search "$@"; }
mkdir private
chmod 700 private
chown 65534 private
status_is "who may not write is told so by the exit status" 5 minding "$VARPCTL" psk new 0x10 dir private/host
status_is "who may not read, too" 5 minding "$VARPCTL" pki show private/x.crt
status_is "a directory that cannot be made is an error" 2 psk new 0x10 dir /proc/nothing

# --- pki init ----------------------------------------------------------------------------------------------------------------

status_is "issue without an authority says what to do" 2 pki issue a member 0x10 dir ca
like "init, namely" "$OUT" "varpctl pki init"
status_is "pki init" 0 pki init ca
is "makes these" "$(ls ca)" "$(printf 'ca.crt\nca.key\nrevoked.crl')"
is "its key is root's alone" "$(mode ca/ca.key)" 600
is "its certificate everybody's" "$(mode ca/ca.crt)" 644
before=$(sha256sum ca/*)
status_is "a second time it refuses" 2 pki init ca
is "and changes nothing" "$(sha256sum ca/*)" "$before"

# --- pki issue ---------------------------------------------------------------------------------------------------------------

status_is "pki issue" 0 pki issue a member 0x10 10.1.0.1 member 0x11 server 0x12 manager '*' days 5 dir ca
is "makes what a host needs" "$(ls ca/issued/a)" "$(printf 'ca.crt\nhost.crt\nhost.key\nrevoked.crl')"
check "nobody else may read its key" closed ca/issued/a/host.key
check "openssl believes the certificate, to serve" openssl verify -purpose sslserver -CAfile ca/ca.crt ca/issued/a/host.crt
check "and as a client" openssl verify -purpose sslclient -CAfile ca/ca.crt ca/issued/a/host.crt
is "it permits what was said" "$(pki show ca/issued/a/host.crt dir ca -j | jq -r '.[0].permits | join(" ")')" \
	"urn:varp:$snid:member:10.1.0.1 urn:varp:0x00000000000000000011:member urn:varp:0x00000000000000000012:server urn:varp:*:manager"
check "for as long as was said" openssl x509 -in ca/issued/a/host.crt -noout -checkend $((4 * 86400))
check "and no longer" eval '! openssl x509 -in ca/issued/a/host.crt -noout -checkend $((6 * 86400)) >/dev/null'
status_is "a name that is taken is refused" 2 pki issue a member 0x10 dir ca
status_is "unless forced" 0 pki issue a member 0x10 dir ca --force
num "the former certificate is kept" "$(find ca/issued/a -name 'former-*.crt' | wc -l)" -eq 1
status_is "into another directory" 0 pki issue b server 0x10 dir ca into here
is "go the key and the rest" "$(ls here)" "$(printf 'ca.crt\nhost.crt\nhost.key\nrevoked.crl')"
is "the authority keeps no key" "$(ls ca/issued/b)" host.crt
for words in "c" "c member" "c member 10" "c reader 0x10" "../c member 0x10" "c days 5" "c member 0x10 days 0" "c member 0x10 224.0.0.1"; do
	# shellcheck disable=SC2086 # words
	status_is "pki issue $words is refused" 1 pki issue $words dir ca
done

# --- pki revoke and show --------------------------------------------------------------------------------------------------------

pki init ca2 >/dev/null
status_is "a certificate of another authority cannot be revoked" 2 pki revoke ./ca/issued/a/host.crt dir ca2
status_is "nor one that does not exist" 2 pki revoke nobody dir ca
status_is "pki revoke" 0 pki revoke a dir ca
status_is "twice" 2 pki revoke a dir ca
status_is "by its file" 0 pki revoke ./here/host.crt dir ca
status_is "the former one, too" 0 pki revoke "./$(find ca/issued/a -name 'former-*.crt')" dir ca
is "the list has them all" "$(openssl crl -in ca/revoked.crl -noout -text | grep -c 'Serial Number')" 3
check "and the authority's signature" openssl crl -in ca/revoked.crl -noout -CAfile ca/ca.crt
check "openssl refuses them by it" eval \
	'! openssl verify -crl_check -CRLfile ca/revoked.crl -CAfile ca/ca.crt ca/issued/a/host.crt >/dev/null 2>&1'
pki issue c member 0x10 dir ca >/dev/null
check "and believes others" openssl verify -crl_check -CRLfile ca/revoked.crl -CAfile ca/ca.crt ca/issued/c/host.crt
is "pki show tells" "$(pki show dir ca -j | jq -r 'map("\(.name) \(.state)") | join(", ")')" "a revoked, b revoked, c valid"
like "in words, too" "$(pki show dir ca)" "a +revoked, until "
status_is "a file that is no certificate is an error" 2 pki show ./ca/ca.key dir ca
status_is "--force is for these commands alone" 1 "$VARPCTL" status --force
done_testing
