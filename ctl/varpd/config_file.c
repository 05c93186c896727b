// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reads the configuration file (INI, by inih) and puts defaults, file and command line together.
 * Called by main.c at start, for --check and on SIGHUP. What the keys mean is in config.c.
 */
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "addr.h"
#include "config_keys.h"
#include "helper.h"
#include "log.h"

#define LINE_LEN	200	/* inih's own bound on a line, with its line break and NUL */
#define BYTE_ORDER_MARK	"\xef\xbb\xbf"
#define COMPLAINTS_MAX	20	/* that are printed */
#define ENTRIES_MAX	(VARP_MAX_NODES + VARP_MAX_UNDERLAYS + 3 * VARP_MAX_SUPERNETS)

static const struct section {
	const char *name;
	bool named;		/* "[name WHAT]" */
} sections[CONFIG_SECTIONS] = {
	[CONFIG_VARPD]		= { "varpd", false },
	[CONFIG_UNDERLAY]	= { "underlay", true },
	[CONFIG_NODE]		= { "node", true },
	[CONFIG_CLIENT]		= { "client", true },
	[CONFIG_SERVER]		= { "server", true },
	[CONFIG_SUPERNET]	= { "supernet", true },
};

struct reader {
	struct varpd_config *config;
	const char *path;
	FILE *file;
	unsigned int line;
	unsigned int errors;
	unsigned int last_error;	/* line */
	bool skip;			/* inside a section that was refused */
	bool in_varpd;			/* inside [varpd]; else the last entry */
};

const char *config_section_name(enum config_section section)
{
	return sections[section].name;
}

/* A file that is no configuration at all may hold anything: it must not reach a terminal. */
static void escape(const char *text, char *out, size_t len)
{
	size_t used = 0;

	for (; *text && used + 5 < len; text++)
		used += snprintf(out + used, len - used,
				 *text >= ' ' && *text <= '~' ? "%c" : "\\x%02x",
				 (unsigned char)*text);
	out[used] = '\0';
}

__attribute__((format(printf, 3, 4)))
static void complain(struct reader *reader, unsigned int line, const char *format, ...)
{
	char text[400], printable[4 * sizeof(text)];
	va_list args;

	reader->last_error = line;
	if (reader->errors++ >= COMPLAINTS_MAX)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	escape(text, printable, sizeof(printable));
	varpd_log(VARPD_LOG_ERROR, "%s:%u: %s", reader->path, line, printable);
}

static struct config_entry *last_entry(struct reader *reader)
{
	return &reader->config->entries[reader->config->entry_count - 1];
}

/* The section that has just ended must have been given what it needs. */
static void end_section(struct reader *reader)
{
	const struct config_entry *entry;

	if (reader->skip || reader->in_varpd || !reader->config->entry_count)
		return;
	entry = last_entry(reader);
	for (unsigned int i = 0; i < config_key_count; i++)
		if (config_keys[i].section == entry->section &&
		    (config_keys[i].flags & CONFIG_REQUIRED) && !(entry->given & (1ull << i)))
			complain(reader, entry->line, "[%s %s] lacks '%s'",
				 sections[entry->section].name, entry->name, config_keys[i].name);
}

static struct config_entry *add_entry(struct varpd_config *config)
{
	struct config_entry *entries;

	if (config->entry_count >= ENTRIES_MAX)
		return NULL;
	entries = realloc(config->entries, (config->entry_count + 1) * sizeof(*entries));
	if (!entries)
		return NULL;
	config->entries = entries;
	memset(&entries[config->entry_count], 0, sizeof(*entries));
	return &entries[config->entry_count++];
}

static void start_entry(struct reader *reader, enum config_section section, const char *name)
{
	struct config_entry *entry;
	struct varp_snid snid = { { 0 } };

	for (unsigned int i = 0; i < reader->config->entry_count; i++)
		if (reader->config->entries[i].section == section &&
		    !strcmp(reader->config->entries[i].name, name)) {
			complain(reader, reader->line, "[%s %s] is there already, in line %u",
				 sections[section].name, name, reader->config->entries[i].line);
			return;
		}
	if (section == CONFIG_UNDERLAY && !varp_ifname_is_valid(name)) {
		complain(reader, reader->line, "'%s' %s an interface", name,
			 strlen(name) < VARP_IFNAME_LEN ? "cannot be the name of"
							: "is too long for the name of");
		return;
	}
	if ((section == CONFIG_CLIENT || section == CONFIG_SERVER || section == CONFIG_SUPERNET) &&
	    varp_snid_parse(name, &snid)) {
		complain(reader, reader->line, "'%s' is not a SnId (0x and 1 to 20 hex digits)",
			 name);
		return;
	}
	entry = add_entry(reader->config);
	if (!entry) {
		complain(reader, reader->line, "too many sections");
		return;
	}
	entry->section = section;
	entry->line = reader->line;
	entry->snid = snid;
	if (section == CONFIG_SERVER)
		entry->ttl_s = VARPDB_TTL_INITIAL_CLIENT;
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	reader->skip = false;
}

/* title: what stands between the brackets. */
static void start_section(struct reader *reader, char *title)
{
	char *save, *word = strtok_r(title, " \t", &save);
	char *name = word ? strtok_r(NULL, " \t", &save) : NULL;
	int section = 0;

	end_section(reader);
	reader->in_varpd = false;
	reader->skip = true;
	while (section < CONFIG_SECTIONS && (!word || strcmp(word, sections[section].name)))
		section++;
	if (section == CONFIG_SECTIONS) {
		complain(reader, reader->line, "unknown section [%s]", word ? word : "");
	} else if (sections[section].named != (name != NULL) ||
		   (name && strtok_r(NULL, " \t", &save))) {
		complain(reader, reader->line, "section is written [%s%s]", word,
			 sections[section].named ? " NAME" : "");
	} else if (name && strlen(name) >= CONFIG_NAME_LEN) {
		complain(reader, reader->line, "name of the section is too long");
	} else if (section == CONFIG_VARPD) {
		reader->in_varpd = true;
		reader->skip = false;
	} else {
		start_entry(reader, section, name);
	}
}

/*
 * inih's reader. It counts lines, because inih does not tell handlers where they are; sees sections
 * that have no keys, for which inih calls nobody; and takes leading blanks away, which inih would
 * take for a continued value.
 */
static char *read_line(char *out, int size, void *stream)
{
	struct reader *reader = stream;
	char line[LINE_LEN * 8], title[LINE_LEN], *start, *end;

	if (!fgets(line, sizeof(line), reader->file))
		return NULL;
	reader->line++;
	if (!strchr(line, '\n') && !feof(reader->file)) {
		for (int c = 0; c != EOF && c != '\n';)
			c = fgetc(reader->file);
		strcpy(line, "#");
		complain(reader, reader->line, "line is too long");
	}
	start = line;
	/* inih takes it for nothing as well, and would see a section that we have not. */
	if (reader->line == 1 && !strncmp(start, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)))
		start += strlen(BYTE_ORDER_MARK);
	start += strspn(start, " \t\f\v");
	if (strlen(start) >= (size_t)size || strlen(start) >= LINE_LEN) {
		complain(reader, reader->line, "line is longer than %d characters", LINE_LEN - 2);
		start = strcpy(line, "#\n");
	}
	end = *start == '[' ? strchr(start, ']') : NULL;
	if (end) {
		snprintf(title, sizeof(title), "%.*s", (int)(end - start - 1), start + 1);
		start_section(reader, title);
		/* inih keeps 49 characters of a section's name and needs none of it. */
		start = strcpy(line, "[x]\n");
	}
	return strcpy(out, start);
}

static int handle_key(void *user, const char *inih_section, const char *name, const char *value)
{
	struct reader *reader = user;
	struct varpd_config *config = reader->config;
	enum config_section section;
	const struct config_key *key;
	struct varpd_error error;
	uint64_t *given, bit;

	if (reader->skip)
		return 1;
	if (!*inih_section || (!reader->in_varpd && !config->entry_count)) {
		complain(reader, reader->line, "'%s' stands before any section", name);
		return 0;
	}
	section = reader->in_varpd ? CONFIG_VARPD : last_entry(reader)->section;
	key = config_keys_find(section, name);
	if (!key) {
		complain(reader, reader->line, "unknown key '%s' in [%s]", name,
			 sections[section].name);
		return 0;
	}
	given = reader->in_varpd ? &config->given : &last_entry(reader)->given;
	bit = 1ull << (key - config_keys);
	if (*given & bit) {
		complain(reader, reader->line, "'%s' is given twice", name);
		return 0;
	}
	*given |= bit;
	if (config_keys_set(key, reader->in_varpd ? (void *)config : last_entry(reader), value,
			    &error)) {
		complain(reader, reader->line, "%s: %s", name, error.text);
		return 0;
	}
	return 1;
}

/* What two sections of one kind must not both say. NULL: they may stand side by side. */
static const char *conflict(const struct config_entry *a, const struct config_entry *b)
{
	if (a->section != b->section || a->section == CONFIG_UNDERLAY ||
	    !varp_snid_equal(&a->snid, &b->snid))
		return NULL;
	if (a->section != CONFIG_NODE)
		return "is of the same supernet as";
	if (varp_addr_is_zero(&a->vaddr) || varp_addr_is_zero(&b->vaddr))
		return NULL;	/* complained of already */
	if (varp_addr_equal(&a->vaddr, &b->vaddr))
		return "has the same vaddr in the same supernet as";
	if (!varp_addr_is_zero(&a->server) && !varp_addr_is_zero(&b->server) &&
	    !varp_addr_equal(&a->server, &b->server))
		return "names another server for its supernet than";
	return NULL;
}

static void check_conflicts(struct reader *reader)
{
	const struct config_entry *entries = reader->config->entries;

	for (unsigned int i = 1; i < reader->config->entry_count; i++)
		for (unsigned int j = 0; j < i; j++) {
			const char *what = conflict(&entries[j], &entries[i]);

			if (!what)
				continue;
			complain(reader, entries[i].line, "[%s %s] %s the one in line %u",
				 sections[entries[i].section].name, entries[i].name, what,
				 entries[j].line);
			break;
		}
}

/* NULL: there is none to be read; *err says whether that is wrong. */
static FILE *open_file(struct varpd_config *config, int *err)
{
	FILE *file = helper_fopen(config->file);
	struct stat st;

	*err = file ? 0 : -errno;
	if (file && !fstat(fileno(file), &st) && S_ISDIR(st.st_mode)) {
		fclose(file);
		file = NULL;
		*err = -EISDIR;
	}
	config->file_read = file;
	if (*err == -ENOENT && !config->file_given)
		*err = 0;
	if (*err)
		varpd_log(VARPD_LOG_ERROR, "cannot read %s: %s", config->file, strerror(-*err));
	return file;
}

static int read_file(struct varpd_config *config)
{
	struct reader reader = { .config = config, .path = config->file };
	int line;

	reader.file = open_file(config, &line);
	if (!reader.file)
		return line;
	line = ini_parse_stream(read_line, &reader, handle_key, &reader);
	if (line > 0 && !reader.errors)
		complain(&reader, line, "not a section, a comment or KEY = VALUE");
	else if (line < 0)
		complain(&reader, reader.line, "out of memory");
	end_section(&reader);
	if (ferror(reader.file))
		complain(&reader, reader.line, "cannot read on: %s", strerror(errno));
	check_conflicts(&reader);
	if (reader.errors > COMPLAINTS_MAX)
		varpd_log(VARPD_LOG_ERROR, "%s: %u more errors", config->file,
			  reader.errors - COMPLAINTS_MAX);
	fclose(reader.file);
	return reader.errors ? -EINVAL : 0;
}

static int set_defaults(struct varpd_config *config, const struct config_overrides *overrides)
{
	int n;

	memset(config, 0, sizeof(*config));
	strcpy(config->instance, overrides->instance);
	for (unsigned int i = 0; i < config_key_count; i++)
		if (config_keys[i].section == CONFIG_VARPD && *config_keys[i].def &&
		    config_keys[i].offset != offsetof(struct varpd_config, state_dir) &&
		    config_keys_set(&config_keys[i], config, config_keys[i].def, NULL))
			return -EINVAL;
	snprintf(config->state_dir, sizeof(config->state_dir), "/var/lib/varp/%s",
		 config->instance);
	config->file_given = overrides->file;
	if (overrides->file)
		n = snprintf(config->file, sizeof(config->file), "%s", overrides->file);
	else if (!strcmp(config->instance, "default"))
		n = snprintf(config->file, sizeof(config->file), "%s", CONFIG_FILE);
	else
		n = snprintf(config->file, sizeof(config->file), "/etc/varp/varpd-%s.conf",
			     config->instance);
	if (n >= (int)sizeof(config->file)) {
		varpd_log(VARPD_LOG_ERROR, "path of the configuration file is too long");
		return -ENAMETOOLONG;
	}
	return 0;
}

int config_load(struct varpd_config *out, const struct config_overrides *overrides)
{
	struct varpd_error error;
	int err = set_defaults(out, overrides);

	if (!err)
		err = read_file(out);
	for (unsigned int i = 0; i < overrides->count; i++) {
		const struct config_key *key =
			config_keys_find(CONFIG_VARPD, overrides->set[i].key);

		if (config_keys_set(key, out, overrides->set[i].value, &error)) {
			varpd_log(VARPD_LOG_ERROR, "--%s: %s", key->name, error.text);
			err = -EINVAL;
		}
	}
	if (err)
		config_free(out);
	return err;
}

void config_free(struct varpd_config *config)
{
	free(config->entries);
	config->entries = NULL;
	config->entry_count = 0;
}

int config_check_instance(const char *name, struct varpd_error *error)
{
	if (!*name || *name == '-' || strlen(name) > CONFIG_INSTANCE_MAX ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
		    strlen(name))
		return varpd_fail(error, -EINVAL,
				  "instance '%s': 1 to %d letters, digits, - and _ are allowed",
				  name, CONFIG_INSTANCE_MAX);
	return 0;
}
