#ifndef CNORMGEN_TEMPLATES_H
#define CNORMGEN_TEMPLATES_H

#ifdef __cplusplus
extern "C" {
#endif

/// The text of a file by its path below `Templates`; NULL for a path that is not embedded.
const char *normgen_template(const char *path);

#ifdef __cplusplus
}
#endif

#endif
