trap 'echo bye' EXIT; trap 'echo usr' USR1; kill -USR1 $$; echo after; trap; trap - USR1; (trap 'echo sub' EXIT; echo insub); trap 'echo int' INT; kill -INT $$; echo end; exit 3
