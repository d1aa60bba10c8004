/* SPDX-License-Identifier: GPL-2.0 */
/* What nvidia_drm calls in nvidia. */
int nvidia_stub_present(void);
/* Every GPU counts as open. */
void nvidia_stub_pin(bool on);
