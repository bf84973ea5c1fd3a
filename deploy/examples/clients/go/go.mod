module jobgate.example/ten-minutes

go 1.19
