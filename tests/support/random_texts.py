"""Random texts for property tests."""

from hypothesis import strategies as st


def texts(*, min_size: int = 0, max_size: int | None = None) -> st.SearchStrategy[str]:
    """Texts of all characters but surrogates.

    The default alphabet of `st.text` is the same, and takes two seconds to calculate.
    """
    alphabet = st.characters(exclude_categories=["Cs"])
    return st.text(alphabet, min_size=min_size, max_size=max_size)
