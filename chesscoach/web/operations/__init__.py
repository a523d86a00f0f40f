"""What an operator can do: one function for each action, for the API and for the forms of pages.

An action takes the `Admin` (what the web room needs of the process), the `Operator` who asks for
it, and what it acts on. It checks everything itself, leaves a document in `admin_log`, and raises
a `Problem` or an error that the middleware turns into one. So a form and an API call cannot differ.
"""
