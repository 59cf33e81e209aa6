/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* engage_media_proxy, with the fake server. */
#ifndef MODULE_DIALOGS_H
#define MODULE_DIALOGS_H

void engaged_dialogs(void);

#endif
