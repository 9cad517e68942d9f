"""A web server of a folder's files, as any web server does it: with entity tags, and 304 for what has not changed."""

from serving import CallLog, HttpLog, arguments, serve
from starlette.applications import Starlette
from starlette.staticfiles import StaticFiles


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--folder", required=True)
    options = parser.parse_args()
    app = Starlette()
    app.mount("/", StaticFiles(directory=options.folder))
    serve(HttpLog(app, CallLog(options.log)), options, "")


if __name__ == "__main__":
    main()
