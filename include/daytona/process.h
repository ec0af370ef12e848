#ifndef DAYTONA_PROCESS_H
#define DAYTONA_PROCESS_H
#include <daytona/future.h>
#endif
