/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Whose a process is: proc_pid_status(5).
 */

#include <stdint.h>
#include <sys/types.h>

/*
 * @ret: the uid its sockets get now (fsuid), whatever the process did to its
 * dumpable flag. Return: 0; -ESRCH there is none, or none that we may see.
 */
int process_get_uid(uint32_t pid, uid_t *ret);
