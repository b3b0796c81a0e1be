"""The PageService over gRPC."""

from __future__ import annotations

from google.api import httpbody_pb2

from gateway_service.ports import Page
from gateway_service.rpc.calls import Context
from tonearm.gateway.v1 import page_pb2, page_pb2_grpc

# Scripts, styles and images from here only; sound from memory, for it needs the token to load.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class PageServicer(page_pb2_grpc.PageServiceServicer):
    """The PageService."""

    def __init__(self, page: Page) -> None:
        """Serve these files."""
        self._page = page

    async def GetPage(
        self, request: page_pb2.GetPageRequest, context: Context
    ) -> page_pb2.GetPageResponse:
        """Fetch a file of the page."""
        asset = self._page.asset(request.asset)
        await context.send_initial_metadata(
            (
                ("content-security-policy", PAGE_POLICY),
                ("referrer-policy", "no-referrer"),
                ("cache-control", "no-cache"),
            )
        )
        body = httpbody_pb2.HttpBody(content_type=asset.content_type, data=asset.content)
        return page_pb2.GetPageResponse(content=body)
