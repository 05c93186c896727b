// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fuzzes the control socket: the input is what a client sends, in one piece or in two as its first
 * octet says. The daemon behind it is real but for the datapath, the store and the network. Each line
 * that comes back is JSON, and no whole request goes without an answer.
 *
 * Needs root, for the daemon's runtime directory.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "addr.h"
#include "control.h"
#include "ctl/varpd/access.h"
#include "ctl/varpd/audit.h"
#include "ctl/varpd/channels.h"
#include "ctl/varpd/control_socket.h"
#include "ctl/varpd/keyx.h"
#include "ctl/varpd/monitor.h"
#include "ctl/varpd/net.h"
#include "ctl/varpd/resolve.h"
#include "ctl/varpd/textsock.h"
#include "fuzz.h"

#define ANSWERS_MAX	(4 * 1024 * 1024)
#define TURNS		64

static struct varpd varpd;
static char run_dir[80], path[108];
static char answers[ANSWERS_MAX];

/* --- In the place of the datapath, by the last octet of the vaddr or SnId --- */

static const int errors[] = { 0, 0, -EEXIST, -EBUSY, -ENOENT, -EPERM, -ENOSPC, 0 };

static int outcome(uint8_t octet, struct varpd_error *error)
{
	int err = errors[octet % 8];

	return err ? varpd_fail(error, err, "made up") : 0;
}

int datapath_attach(struct datapath *dp, const char *dev, struct varpd_error *error)
{
	(void)dp;
	return outcome((uint8_t)dev[strlen(dev) - 1], error);
}

int datapath_detach(struct datapath *dp, const char *dev, struct varpd_error *error)
{
	return datapath_attach(dp, dev, error);
}

int datapath_join(struct datapath *dp, const struct datapath_join *join, struct datapath_node *node,
		  struct varpd_error *error)
{
	(void)dp;
	memset(node, 0, sizeof(*node));
	node->key = varp_key_make(&join->snid, &join->vaddr);
	strcpy(node->dev, "sn0");
	FUZZ_CHECK(varp_addr_is_host(&join->vaddr, join->plen));
	FUZZ_CHECK(!join->dev || varp_ifname_is_valid(join->dev));
	FUZZ_CHECK(!join->netns || strlen(join->netns) < VARP_NETNS_LEN);
	return outcome(join->vaddr.b[15], error);
}

int datapath_leave(struct datapath *dp, const struct varp_snid *snid, const struct varp_addr *vaddr,
		   struct varpd_error *error)
{
	(void)dp;
	return outcome(vaddr ? vaddr->b[15] : snid->b[9], error);
}

bool datapath_has_supernet(struct datapath *dp, const struct varp_snid *snid)
{
	(void)dp;
	return snid->b[9] & 1;
}

bool datapath_is_local(struct datapath *dp, const struct varp_key *key, struct varp_local *local)
{
	(void)dp;
	memset(local, 0, sizeof(*local));
	return key->vaddr.b[15] == 1;
}

void datapath_each_underlay(struct datapath *dp, void (*visit)(const struct datapath_underlay *u, void *ctx),
			    void *ctx)
{
	struct datapath_underlay underlay = { .ifindex = 1, .record.name = "eth0", .record.mtu = 1500 };

	(void)dp;
	visit(&underlay, ctx);
}

void datapath_each_node(struct datapath *dp, void (*visit)(const struct datapath_node *n, void *ctx), void *ctx)
{
	struct datapath_node node = { .dev = "sn0", .netns = "red" };

	(void)dp;
	visit(&node, ctx);
}

int datapath_server_set(struct datapath *dp, const struct varp_snid *snid, const struct varp_addr *server)
{
	(void)dp;
	(void)server;
	return errors[snid->b[9] % 8];
}

void datapath_each_supernet(struct datapath *dp, void (*visit)(const struct varp_supernet *s, void *ctx), void *ctx)
{
	struct varp_supernet supernet = { .used = 1, .misses = 3, .requests = 3 };

	(void)dp;
	visit(&supernet, ctx);
}

int datapath_resolved(struct datapath *dp, const struct varp_key *key, const struct varp_addr *raddr, uint32_t ttl_s,
		      uint64_t deadline_ns)
{
	(void)dp;
	FUZZ_CHECK(varp_addr_is_unicast(raddr) && ttl_s <= VARPDB_TTL_MAX && deadline_ns);
	return errors[key->vaddr.b[15] % 8];
}

int datapath_notknown(struct datapath *dp, const struct varp_key *key, uint64_t deadline_ns)
{
	(void)dp;
	(void)deadline_ns;
	return errors[key->vaddr.b[15] % 8];
}

void datapath_remove(struct datapath *dp, const struct varp_key *key)
{
	(void)dp;
	(void)key;
}

int datapath_get(struct datapath *dp, const struct varp_key *key, struct datapath_entry *entry)
{
	(void)dp;
	*entry = (struct datapath_entry){ .key = *key, .state = key->vaddr.b[15] % 4 };
	return entry->state > DATAPATH_NOTKNOWN ? -ENOENT : 0;
}

int datapath_next(struct datapath *dp, struct datapath_cursor *cursor, const struct varp_snid *snid,
		  struct datapath_entry *entries, unsigned int max, unsigned int *count)
{
	(void)dp;
	*count = cursor->stage++ < 3 ? max : 0;
	memset(entries, 0, *count * sizeof(*entries));
	for (unsigned int i = 0; i < *count; i++)
		entries[i].key.snid = snid ? *snid : entries[i].key.snid;
	return 0;
}

int datapath_flush(struct datapath *dp, const struct varp_snid *snid, const struct varp_addr *vaddr)
{
	(void)dp;
	(void)snid;
	return vaddr ? 1 : 7;
}

void datapath_sweep_enable(struct datapath *dp, bool on)
{
	(void)dp;
	(void)on;
}

void datapath_stats(struct datapath *dp, struct varp_stats *out)
{
	(void)dp;
	memset(out, 0, sizeof(*out));
}

const char *datapath_features(const struct datapath *dp)
{
	(void)dp;
	return "made up";
}

void datapath_each_channel(struct datapath *dp,
			   void (*visit)(const struct varp_combo *combo, const struct varp_channel *channel, void *ctx),
			   void *ctx)
{
	const struct varp_channel channel = { .mode = VARP_CHANNEL_AUTH, .rotate_s = CHANNELS_ROTATE_S };
	const struct varp_combo combo = { 0 };

	(void)dp;
	visit(&combo, &channel, ctx);
}

/* --- In the place of the store, the network, the text sockets, channels and key exchange --- */

int channels_set(struct channels *channels, const struct varp_combo *combo, uint32_t mode,
		 const uint8_t secret[VARP_CHANNEL_KEY_LEN], uint32_t rotate_s, struct varpd_error *error)
{
	(void)channels;
	FUZZ_CHECK(mode < VARP_CHANNEL_MODES && (mode == VARP_CHANNEL_PLAIN || secret));
	FUZZ_CHECK(rotate_s >= CHANNELS_ROTATE_MIN_S && rotate_s <= CHANNELS_ROTATE_MAX_S);
	return outcome(combo->chid.b[5], error);
}

void keyx_forget(struct keyx *keyx, const struct varp_snid *snid)
{
	(void)keyx;
	(void)snid;
}

json_t *keyx_client_json(const struct keyx *keyx, const struct varp_snid *snid)
{
	(void)keyx;
	(void)snid;
	return json_pack("{s:s}", "protection", "none");
}

json_t *keyx_server_json(const struct keyx *keyx, const struct varp_snid *snid)
{
	return keyx_client_json(keyx, snid);
}

const char *keyx_client_error(const struct keyx *keyx, const struct varp_snid *snid)
{
	(void)keyx;
	return snid->b[9] & 1 ? "made up" : NULL;
}

bool keyx_server_lacks_role(const struct keyx *keyx, const struct varp_snid *snid)
{
	(void)keyx;
	return snid->b[9] & 2;
}

void keyx_each_problem(const struct keyx *keyx, void (*tell)(const char *text, void *ctx), void *ctx)
{
	(void)keyx;
	tell("made up", ctx);
}

int store_next(struct store *store, const struct varp_snid *snid, const struct varp_key *after,
	       struct varp_table_entry *entries, unsigned int max, unsigned int *count, struct varpd_error *error)
{
	(void)store;
	(void)snid;
	*count = after ? 0 : max;
	memset(entries, 0, max * sizeof(*entries));
	return snid && snid->b[9] == 5 ? varpd_fail(error, -EIO, "made up") : 0;
}

const struct net_stats *net_stats(const struct net *net)
{
	static const struct net_stats stats;

	(void)net;
	return &stats;
}

int net_send_error(const struct net *net, const struct varp_addr *server)
{
	(void)net;
	return server->b[15] & 1 ? ENETUNREACH : 0;
}

void textsock_count(const struct textsock *textsock, unsigned int *manager, unsigned int *client)
{
	(void)textsock;
	*manager = *client = 1;
}

/* --- The engine's side: every third lookup is answered at once --- */

static void emit(void *ctx, const struct varp_action *action)
{
	struct monitor_event event = { .event = "miss", .key = &action->key };

	(void)ctx;
	if (action->type != VARP_ACTION_NOTIFY)
		return;
	monitor_publish(varpd.monitor, &event);
	if (action->notice == VARP_NOTICE_NOTKNOWN)
		resolve_outcome(varpd.resolve, &action->key, RESOLVE_NOTKNOWN, NULL, 0);
	else if (action->key.vaddr.b[15] % 3 == 0)
		resolve_outcome(varpd.resolve, &action->key, RESOLVE_HIT, &action->key.vaddr, 60);
}

static uint64_t next_nonce(void *ctx)
{
	static uint64_t nonce;

	(void)ctx;
	return ++nonce;
}

static void ignore(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
}

static void at_exit(void)
{
	unlink(path);
	rmdir(run_dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct varp_engine_config config = {
		.insecure = true, .varp_port = 2500, .window_ms = 5000, .negative_ttl_ms = 5000, .retry_ms = 250,
		.lookups_max = 64, .emit = emit, .random = next_nonce,
	};
	struct varpd_error error;

	(void)argc;
	(void)argv;
	if (geteuid())
		fuzz_skip("needs root");
	snprintf(varpd.config.instance, sizeof(varpd.config.instance), "fuzz-%d", getpid());
	snprintf(run_dir, sizeof(run_dir), "%s/%s", CONTROL_RUN_DIR, varpd.config.instance);
	snprintf(path, sizeof(path), "%s/%s", run_dir, CONTROL_SOCKET);
	mkdir(CONTROL_RUN_DIR, 0755);
	FUZZ_CHECK(!mkdir(run_dir, 0755));
	atexit(at_exit);
	varpd.config.insecure = true;
	varpd.base = event_base_new();
	varpd.timer = evtimer_new(varpd.base, ignore, NULL);
	varpd.timer_ns = UINT64_MAX;
	varpd.audit = audit_new(varpd.base);
	varpd.access = access_new(&varpd.config, geteuid());
	varpd.monitor = monitor_new();
	varpd.resolve = resolve_new(varpd_now_ns, 6 * VARPD_NS_PER_S);
	varpd.engine = varp_engine_new(&config);
	varpd.datapath = (struct datapath *)&varpd;	/* nobody looks into these */
	varpd.store = (struct store *)&varpd;
	varpd.net = (struct net *)&varpd;
	varpd.textsock = (struct textsock *)&varpd;
	FUZZ_CHECK(varpd.audit && varpd.access && varpd.engine && !control_open(&varpd.control, &varpd, &error));
	return 0;
}

static int connect_to(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(name.sun_path, path);
	FUZZ_CHECK(fd >= 0 && !connect(fd, (struct sockaddr *)&name, sizeof(name)));
	return fd;
}

/* Lets the daemon work until it has nothing to do or closes, and gathers what it says. */
static bool gather(int fd, size_t *len)
{
	ssize_t got = 1;

	for (int i = 0; i < TURNS; i++) {
		event_base_loop(varpd.base, EVLOOP_NONBLOCK);
		got = read(fd, answers + *len, sizeof(answers) - *len);
		if (!got || (got < 0 && errno != EAGAIN))
			return false;
		if (got > 0)
			*len += (size_t)got;
		else if (i > 2)
			break;
	}
	return true;
}

/* Returns how many there were. */
static unsigned int check_answers(size_t len)
{
	unsigned int count = 0;
	json_error_t error;
	char *line = answers, *end;

	while ((end = memchr(line, '\n', len - (size_t)(line - answers)))) {
		json_t *json = json_loadb(line, (size_t)(end - line), 0, &error);

		FUZZ_CHECK(json_is_object(json));
		json_decref(json);
		count++;
		line = end + 1;
	}
	return count;
}

static bool has_request(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;

	return end && end > data && end - data < CONTROL_REQUEST_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece, len = 0;
	bool waits;
	int fd;

	if (!size)
		return 0;
	piece = data[0] & 1 ? (size - 1) * (data[0] >> 1) / 128 : size - 1;
	data++;
	size--;
	fd = connect_to();
	if (size > 100000)
		size = 100000;
	if (piece > size)
		piece = size;
	if (write(fd, data, piece) == (ssize_t)piece && gather(fd, &len) && piece < size &&
	    write(fd, data + piece, size - piece) > 0)
		gather(fd, &len);
	waits = memmem(data, size, "resolve", 7) || memmem(data, size, "\\u", 2);
	if (has_request(data, size) && !waits)
		FUZZ_CHECK(check_answers(len));
	else
		check_answers(len);
	close(fd);
	for (int i = 0; i < 4 || (control_count(varpd.control) && i < TURNS); i++)
		event_base_loop(varpd.base, EVLOOP_NONBLOCK);
	FUZZ_CHECK(!control_count(varpd.control));
	varp_engine_reset(varpd.engine, varpd_now_ns());
	return 0;
}
