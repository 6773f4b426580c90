/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The service as a graph of objects: built and taken down in mirrored order.
 * The only module that knows every other.
 */

#include "service/settings.h"

/* Runs until it is told to leave, or nobody needs it. Return: exit status of the process. */
int service_run(const Settings *settings);

/*
 * Removes everything of ours from the kernel, and the saved intent: for
 * uninstalling. Root alone, while no service runs. Return: exit status.
 */
int service_clean_up(const Settings *settings);
