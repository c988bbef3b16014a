#include "cli/program.h"

int main(int argc, char** argv) { return mlx_vision::cli::run(argc, argv); }
