/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the versions of Kamailio differ. It comes before their headers. */
#ifndef MEDIAPROXY_COMPAT_H
#define MEDIAPROXY_COMPAT_H

#if VERSIONVAL < 5005000
#error "Kamailio 5.5 or newer is needed"
#endif

#endif
