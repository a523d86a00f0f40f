from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

class EventWebhook:
    public_key: EllipticCurvePublicKey | None
    def __init__(self, public_key: str | None = ...) -> None: ...
    def convert_public_key_to_ecdsa(self, public_key: str) -> EllipticCurvePublicKey: ...
    def verify_signature(
        self,
        payload: str,
        signature: str,
        timestamp: str,
        public_key: EllipticCurvePublicKey | None = ...,
    ) -> bool: ...

class EventWebhookHeader:
    SIGNATURE: str
    TIMESTAMP: str
