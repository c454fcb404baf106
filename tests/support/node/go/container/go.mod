module registry-token.dev/container

go 1.26.0
