// SPDX-License-Identifier: BSD-2-Clause
/* See run_program.h. Output goes to memory files, so no pipe can fill up. */
#include "run_program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX	32

static void read_back(int fd, char out[RUN_OUTPUT_MAX])
{
	ssize_t n = pread(fd, out, RUN_OUTPUT_MAX - 1, 0);

	out[n > 0 ? n : 0] = '\0';
	close(fd);
}

void run_program(struct run *run, const char *path, const char *args)
{
	int out = memfd_create("stdout", MFD_CLOEXEC), err = memfd_create("stderr", MFD_CLOEXEC);
	char copy[1024], *words[WORDS_MAX] = { (char *)path }, *save = NULL;
	int status, count = 1;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", args);
	for (char *word = strtok_r(copy, " ", &save); word && count < WORDS_MAX - 1;
	     word = strtok_r(NULL, " ", &save))
		words[count++] = word;
	pid = fork();
	if (out < 0 || err < 0 || pid < 0)
		abort();
	if (!pid) {
		int null = open("/dev/null", O_RDONLY);

		dup2(null, STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		execv(path, words);
		perror(path);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	run->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	read_back(out, run->out);
	read_back(err, run->err);
}
