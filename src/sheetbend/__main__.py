from sheetbend.cli import main

main()
