// SPDX-License-Identifier: BSD-2-Clause
/*
 * main() of a fuzzer where there is no libFuzzer: runs every input of tests/fuzz/corpus/NAME (the program is test_NAME),
 * then inputs made from those by random damage, always the same ones. So what fuzzing once found stays found, with any
 * compiler.
 *
 *   test_NAME           from the top of the source tree
 *   test_NAME FILE...   these inputs only
 *
 * VARP_FUZZ_ROUNDS: damaged inputs (1,000); VARP_FUZZ_SEED: of the damage, printed.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX	(64 * 1024)
#define FILES_MAX	4096
#define ROUNDS		1000

#pragma weak LLVMFuzzerInitialize

struct input {
	size_t len;
	uint8_t data[INPUT_MAX];
};

static char *files[FILES_MAX];
static int count;
static uint32_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % n;
}

static void fail(const char *what, const char *path)
{
	printf("not ok 1 - cannot %s %s: %s\n1..1\n", what, path, strerror(errno));
	exit(1);
}

static void load(const char *path, struct input *in)
{
	FILE *file = fopen(path, "rb");

	if (!file)
		fail("open", path);
	in->len = fread(in->data, 1, sizeof(in->data), file);
	fclose(file);
}

/* In memory of just its size, so that a sanitizer sees the first octet too far. */
static void run(const struct input *in)
{
	uint8_t *data = malloc(in->len ? in->len : 1);

	if (!data)
		abort();
	memcpy(data, in->data, in->len);
	LLVMFuzzerTestOneInput(data, in->len);
	free(data);
}

static void damage(struct input *in, const struct input *other)
{
	for (uint32_t i = 0, n = 1 + random_below(4); i < n && in->len; i++) {
		uint32_t at = random_below((uint32_t)in->len), len;

		switch (random_below(6)) {
		case 0:
			in->data[at] ^= (uint8_t)(1u << random_below(8));
			break;
		case 1:
			in->data[at] = (uint8_t)random_below(256);
			break;
		case 2:
			in->data[at] = random_below(2) ? 0xff : 0;
			break;
		case 3:
			in->len = at + 1;
			break;
		case 4:		/* the end of another one */
			if (other->len <= at)
				break;
			memcpy(in->data + at, other->data + at, other->len - at);
			in->len = other->len;
			break;
		default:	/* a piece twice */
			len = random_below(64);
			if (at + len > in->len || in->len + len > INPUT_MAX)
				break;
			memmove(in->data + at + len, in->data + at, in->len - at);
			in->len += len;
		}
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	char path[512];

	if (!d)
		fail("read the corpus", dir);
	while ((entry = readdir(d)) && count < FILES_MAX) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (entry->d_name[0] != '.')
			files[count++] = strdup(path);
	}
	closedir(d);
	qsort(files, (size_t)count, sizeof(*files), by_name);
	errno = ENODATA;
	if (!count)
		fail("find inputs in", dir);
}

static uint32_t setting(const char *name, uint32_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? (uint32_t)strtoul(text, NULL, 0) : otherwise;
}

/* Which one it was stands in the log if the program dies of it. */
static void replay(struct input *in)
{
	for (int i = 0; i < count; i++) {
		printf("# %s\n", files[i]);
		fflush(stdout);
		load(files[i], in);
		run(in);
	}
}

static void replay_damaged(struct input *in, struct input *other, uint32_t rounds)
{
	for (uint32_t i = 0; i < rounds; i++) {
		load(files[random_below((uint32_t)count)], in);
		load(files[random_below((uint32_t)count)], other);
		damage(in, other);
		run(in);
	}
}

int main(int argc, char **argv)
{
	static struct input in, other;
	uint32_t rounds = setting("VARP_FUZZ_ROUNDS", ROUNDS);
	uint32_t seed = setting("VARP_FUZZ_SEED", 0x56415250);
	const char *name = strstr(argv[0], "test_");
	char dir[256];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		files[count++] = argv[i];
	for (const char *next = name; next; next = strstr(next + 1, "test_"))
		name = next;
	snprintf(dir, sizeof(dir), "tests/fuzz/corpus/%s", name ? name + strlen("test_") : "");
	if (!count)
		list(dir);
	replay(&in);
	printf("ok 1 - %d inputs of %s\n", count, dir);
	if (argc == 1) {
		random_state = seed ? seed : 1;
		printf("# seed 0x%x\n", seed);
		fflush(stdout);
		replay_damaged(&in, &other, rounds);
		printf("ok 2 - %u damaged ones\n", rounds);
	}
	printf("1..%d\n", argc == 1 ? 2 : 1);
	return 0;
}
