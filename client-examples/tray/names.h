// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

/* Names on the two buses, and of the service's own unit. */

#define NAMES_ROUTING "org.talpid.Routing"
#define NAMES_ROUTING_PATH "/org/talpid/Routing"
#define NAMES_SPLIT "org.talpid.SplitTunnel"
#define NAMES_SPLIT_PATH "/org/talpid/SplitTunnel"
#define NAMES_TRAY "org.talpid.Tray"
#define NAMES_UNIT "talpid.service"
